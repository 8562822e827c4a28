"""``describe``: the org's objects and fields in the shape clients read.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from __future__ import annotations

from gateway.devorg.calls import Call
from gateway.devorg.schema import NUMBER_TYPES, TEXT_TYPES, ChildRelationship, Field, FieldType, SObject

_SOAP_TYPES = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.INT: "xsd:int",
    FieldType.DOUBLE: "xsd:double",
    FieldType.CURRENCY: "xsd:double",
    FieldType.PERCENT: "xsd:double",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
    FieldType.ADDRESS: "urn:address",
    FieldType.JUNCTION: "urn:JunctionIdListNames",
}


def everything(call: Call) -> dict[str, object]:
    """``GET /sobjects``."""
    objects = [_summary(call, sobject) for sobject in call.org.schema.values()]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": sorted(objects, key=lambda each: str(each["name"]))}


def basic(call: Call, sobject: SObject) -> dict[str, object]:
    """``GET /sobjects/X``."""
    rows = list(call.org.records.rows(sobject.name, include_deleted=False))[-10:]
    recent = [
        {"attributes": {"type": sobject.name, "url": call.url(sobject, row["Id"])}, "Id": row["Id"]} for row in rows
    ]
    return {"objectDescribe": _summary(call, sobject), "recentItems": recent[::-1]}


def full(call: Call, sobject: SObject) -> dict[str, object]:
    """``GET /sobjects/X/describe``."""
    return {
        **_summary(call, sobject),
        "actionOverrides": [],
        "childRelationships": [_child(each) for each in sobject.child_relationships],
        "compactLayoutable": True,
        "fields": [_field(field) for field in sobject.fields.values()],
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [],
        "searchLayoutable": sobject.searchable,
        "supportedScopes": [{"label": f"All {sobject.label_plural}", "name": "everything"}],
    }


def _summary(call: Call, sobject: SObject) -> dict[str, object]:
    base = f"{call.base}/sobjects/{sobject.name}"
    return {
        "activateable": False,
        "createable": sobject.createable,
        "custom": sobject.custom,
        "customSetting": False,
        "deletable": sobject.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "hasSubtypes": False,
        "isSubtype": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.label_plural,
        "layoutable": True,
        "mergeable": sobject.name in {"Account", "Contact", "Lead", "Case"},
        "mruEnabled": True,
        "name": sobject.name,
        "queryable": True,
        "replicateable": sobject.replicateable,
        "retrieveable": True,
        "searchable": sobject.searchable,
        "triggerable": sobject.updateable,
        "undeletable": sobject.deletable,
        "updateable": sobject.updateable,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _child(relationship: ChildRelationship) -> dict[str, object]:
    return {
        "cascadeDelete": False,
        "childSObject": relationship.child,
        "deprecatedAndHidden": False,
        "field": relationship.field,
        "junctionIdListNames": ["TaskWhoIds"] if relationship.child == "TaskWhoRelation" else [],
        "junctionReferenceTo": [],
        "relationshipName": relationship.name,
        "restrictedDelete": False,
    }


def _field(field: Field) -> dict[str, object]:
    text = field.type in TEXT_TYPES
    return {
        "aggregatable": field.filterable,
        "autoNumber": field.auto_number,
        "byteLength": field.length * 3 if text else field.length,
        "calculated": False,
        "caseSensitive": False,
        "compoundFieldName": None,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": _default(field),
        "defaultedOnCreate": field.default is not None,
        "deprecatedAndHidden": False,
        "digits": field.precision if field.type is FieldType.INT else 0,
        "externalId": field.external_id,
        "extraTypeInfo": None,
        "filterable": field.filterable,
        "groupable": field.groupable,
        "idLookup": field.id_lookup,
        "inlineHelpText": None,
        "label": field.label,
        "length": field.length,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": field.polymorphic,
        "nillable": field.nillable,
        "permissionable": field.nillable and (field.createable or field.updateable),
        "picklistValues": [_value(field, value) for value in field.picklist],
        "polymorphicForeignKey": field.polymorphic,
        "precision": field.precision if field.type in NUMBER_TYPES - {FieldType.INT} else 0,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship_name,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": field.sortable,
        "type": field.type.value,
        "unique": field.unique,
        "updateable": field.updateable,
        "writeRequiresMasterRead": False,
    }


def _default(field: Field) -> object:
    """Picklists report their default at the value, owners are defaulted without one."""
    return field.default if isinstance(field.default, bool) else None


def _value(field: Field, value: str) -> dict[str, object]:
    return {"active": True, "defaultValue": value == field.default, "label": value, "validFor": None, "value": value}
