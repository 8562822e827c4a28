"""The org's objects and fields as tables: what ``schema`` parses.

An object line is ``Name | key prefix | label | plural label | tags``, followed by indented field lines
``Name | type(length) | label | flags | extras``. Flags: ``cu`` create and update, ``c`` create only, ``!`` not
nillable, ``shared``/``person`` only with Shared Activities or person accounts. Field lists and properties follow
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/ and the Field Reference.
"""

from __future__ import annotations

LONGEST_FILTERABLE_TEXT = 255
DEFAULT_LENGTHS = {"phone": 40, "email": 80, "url": 255, "picklist": 255, "string": 255, "combobox": 255}

SYSTEM_FIELDS = """
  Id | id | Record ID | ! idlookup
  IsDeleted | boolean | Deleted | !
  CreatedDate | datetime | Created Date | !
  CreatedById | reference | Created By ID | ! | ref=User;rel=CreatedBy
  LastModifiedDate | datetime | Last Modified Date | !
  LastModifiedById | reference | Last Modified By ID | ! | ref=User;rel=LastModifiedBy
  SystemModstamp | datetime | System Modstamp | !
"""


def _address(prefix: str, label: str, tag: str = "") -> str:
    """The parts of one compound address, and the compound itself."""
    return f"""
  {prefix}Street | textarea(255) | {label} Street | cu {tag}
  {prefix}City | string(40) | {label} City | cu {tag}
  {prefix}State | string(80) | {label} State/Province | cu {tag}
  {prefix}PostalCode | string(20) | {label} Zip/Postal Code | cu {tag}
  {prefix}Country | string(80) | {label} Country | cu {tag}
  {prefix}Latitude | double(18,15) | {label} Latitude | cu {tag}
  {prefix}Longitude | double(18,15) | {label} Longitude | cu {tag}
  {prefix}GeocodeAccuracy | picklist(40) | {label} Geocode Accuracy | cu restricted {tag} | pick=GeocodeAccuracy
  {prefix}Address | address | {label} Address | nofilter {tag}"""


_RELATABLE = "Account,Campaign,Case,Contact,Lead,Opportunity"

OBJECTS = f"""
Account | 001 | Account | Accounts |
  MasterRecordId | reference | Master Record ID | | ref=Account;rel=MasterRecord
  Name | string(255) | Account Name | cu ! name
  Type | picklist | Account Type | cu | pick=AccountType
  RecordTypeId | reference | Record Type ID | cu | ref=RecordType;rel=RecordType
  ParentId | reference | Parent Account ID | cu | ref=Account;rel=Parent;child=ChildAccounts
{_address("Billing", "Billing")}
{_address("Shipping", "Shipping")}
  Phone | phone | Account Phone | cu
  Fax | phone | Account Fax | cu
  AccountNumber | string(40) | Account Number | cu
  Website | url | Website | cu
  Sic | string(20) | SIC Code | cu
  Industry | picklist | Industry | cu | pick=Industry
  AnnualRevenue | currency(18,0) | Annual Revenue | cu
  NumberOfEmployees | int(8) | Employees | cu
  Ownership | picklist | Ownership | cu | pick=Ownership
  TickerSymbol | string(20) | Ticker Symbol | cu
  Description | textarea(32000) | Account Description | cu
  Rating | picklist | Account Rating | cu | pick=Rating
  Site | string(80) | Account Site | cu
  OwnerId | reference | Owner ID | cu ! | ref=User;rel=Owner;default=@user
  LastActivityDate | date | Last Activity |
  LastViewedDate | datetime | Last Viewed Date |
  LastReferencedDate | datetime | Last Referenced Date |
  AccountSource | picklist | Account Source | cu | pick=LeadSource
  SicDesc | string(80) | SIC Description | cu
  IsPersonAccount | boolean | Is Person Account | ! person
  PersonContactId | reference | Contact ID | person | ref=Contact;rel=PersonContact
  FirstName | string(40) | First Name | cu person
  LastName | string(80) | Last Name | cu person
  Salutation | picklist(40) | Salutation | cu person | pick=Salutation
  PersonEmail | email | Email | cu idlookup person
  PersonMobilePhone | phone | Mobile | cu person
  PersonHomePhone | phone | Home Phone | cu person
  PersonOtherPhone | phone | Other Phone | cu person
  PersonAssistantPhone | phone | Asst. Phone | cu person
  PersonAssistantName | string(40) | Assistant | cu person
  PersonTitle | string(80) | Title | cu person
  PersonDepartment | string(80) | Department | cu person
  PersonLeadSource | picklist | Lead Source | cu person | pick=LeadSource
  PersonBirthdate | date | Birthdate | cu person
  PersonHasOptedOutOfEmail | boolean | Email Opt Out | cu ! person
  PersonHasOptedOutOfFax | boolean | Fax Opt Out | cu ! person
  PersonDoNotCall | boolean | Do Not Call | cu ! person
  PersonIndividualId | reference | Individual ID | cu person | ref=Individual;rel=PersonIndividual
{_address("PersonMailing", "Mailing", "person")}
{_address("PersonOther", "Other", "person")}

Contact | 003 | Contact | Contacts |
  MasterRecordId | reference | Master Record ID | | ref=Contact;rel=MasterRecord
  AccountId | reference | Account ID | cu | ref=Account;rel=Account;child=Contacts
  RecordTypeId | reference | Record Type ID | cu | ref=RecordType;rel=RecordType
  LastName | string(80) | Last Name | cu !
  FirstName | string(40) | First Name | cu
  Salutation | picklist(40) | Salutation | cu | pick=Salutation
  Name | string(121) | Full Name | ! name
{_address("Other", "Other")}
{_address("Mailing", "Mailing")}
  Phone | phone | Business Phone | cu
  Fax | phone | Business Fax | cu
  MobilePhone | phone | Mobile Phone | cu
  HomePhone | phone | Home Phone | cu
  OtherPhone | phone | Other Phone | cu
  AssistantPhone | phone | Asst. Phone | cu
  ReportsToId | reference | Reports To ID | cu | ref=Contact;rel=ReportsTo
  Email | email | Email | cu idlookup
  Title | string(128) | Title | cu
  Department | string(80) | Department | cu
  AssistantName | string(40) | Assistant's Name | cu
  LeadSource | picklist | Lead Source | cu | pick=LeadSource
  Birthdate | date | Birthdate | cu
  Description | textarea(32000) | Contact Description | cu
  OwnerId | reference | Owner ID | cu ! | ref=User;rel=Owner;default=@user
  HasOptedOutOfEmail | boolean | Email Opt Out | cu !
  HasOptedOutOfFax | boolean | Fax Opt Out | cu !
  DoNotCall | boolean | Do Not Call | cu !
  IndividualId | reference | Individual ID | cu | ref=Individual;rel=Individual;child=Contacts
  LastActivityDate | date | Last Activity |
  LastCURequestDate | datetime | Last Stay-in-Touch Request Date |
  LastCUUpdateDate | datetime | Last Stay-in-Touch Save Date |
  LastViewedDate | datetime | Last Viewed Date |
  LastReferencedDate | datetime | Last Referenced Date |
  EmailBouncedReason | string(255) | Email Bounced Reason | cu
  EmailBouncedDate | datetime | Email Bounced Date | cu
  IsEmailBounced | boolean | Is Email Bounced | !
  IsPersonAccount | boolean | Is Person Account | ! person

Lead | 00Q | Lead | Leads |
  MasterRecordId | reference | Master Record ID | | ref=Lead;rel=MasterRecord
  RecordTypeId | reference | Record Type ID | cu | ref=RecordType;rel=RecordType
  LastName | string(80) | Last Name | cu !
  FirstName | string(40) | First Name | cu
  Salutation | picklist(40) | Salutation | cu | pick=Salutation
  Name | string(121) | Full Name | ! name
  Title | string(128) | Title | cu
  Company | string(255) | Company | cu !
  Street | textarea(255) | Street | cu
  City | string(40) | City | cu
  State | string(80) | State/Province | cu
  PostalCode | string(20) | Zip/Postal Code | cu
  Country | string(80) | Country | cu
  Latitude | double(18,15) | Latitude | cu
  Longitude | double(18,15) | Longitude | cu
  GeocodeAccuracy | picklist(40) | Geocode Accuracy | cu restricted | pick=GeocodeAccuracy
  Address | address | Address | nofilter
  Phone | phone | Phone | cu
  MobilePhone | phone | Mobile Phone | cu
  Fax | phone | Fax | cu
  Email | email | Email | cu idlookup
  Website | url | Website | cu
  Description | textarea(32000) | Description | cu
  LeadSource | picklist | Lead Source | cu | pick=LeadSource
  Status | picklist | Status | cu ! | pick=LeadStatus;default=Open - Not Contacted
  Industry | picklist | Industry | cu | pick=Industry
  Rating | picklist | Rating | cu | pick=Rating
  AnnualRevenue | currency(18,0) | Annual Revenue | cu
  NumberOfEmployees | int(8) | Employees | cu
  OwnerId | reference | Owner ID | cu ! | ref=Group,User;rel=Owner;default=@user
  HasOptedOutOfEmail | boolean | Email Opt Out | cu !
  IsConverted | boolean | Converted | c !
  ConvertedDate | date | Converted Date |
  ConvertedAccountId | reference | Converted Account ID | | ref=Account;rel=ConvertedAccount
  ConvertedContactId | reference | Converted Contact ID | | ref=Contact;rel=ConvertedContact
  ConvertedOpportunityId | reference | Converted Opportunity ID | | ref=Opportunity;rel=ConvertedOpportunity
  IsUnreadByOwner | boolean | Unread By Owner | cu ! | default=true
  LastActivityDate | date | Last Activity |
  LastViewedDate | datetime | Last Viewed Date |
  LastReferencedDate | datetime | Last Referenced Date |
  DoNotCall | boolean | Do Not Call | cu !
  HasOptedOutOfFax | boolean | Fax Opt Out | cu !
  EmailBouncedReason | string(255) | Email Bounced Reason | cu
  EmailBouncedDate | datetime | Email Bounced Date | cu
  IndividualId | reference | Individual ID | cu | ref=Individual;rel=Individual;child=Leads

Individual | 0PK | Individual | Individuals |
  MasterRecordId | reference | Master Record ID | | ref=Individual;rel=MasterRecord
  LastName | string(80) | Last Name | cu !
  FirstName | string(40) | First Name | cu
  Salutation | picklist(40) | Salutation | cu | pick=Salutation
  Name | string(121) | Name | ! name
  OwnerId | reference | Owner ID | cu ! | ref=User;rel=Owner;default=@user
  BirthDate | date | Birth Date | cu
  DeathDate | date | Death Date | cu
  HasOptedOutTracking | boolean | Don't Track | cu !
  HasOptedOutProfiling | boolean | Don't Profile | cu !
  HasOptedOutProcessing | boolean | Don't Process | cu !
  HasOptedOutSolicit | boolean | Don't Market | cu !
  ShouldForget | boolean | Forget this Individual | cu !
  SendIndividualData | boolean | Export Individual's Data | cu !
  CanStorePiiElsewhere | boolean | OK to Store PII Data Elsewhere | cu !
  HasOptedOutGeoTracking | boolean | Block Geolocation Tracking | cu !

Case | 500 | Case | Cases |
  MasterRecordId | reference | Master Record ID | | ref=Case;rel=MasterRecord
  CaseNumber | string(30) | Case Number | ! idlookup autonumber name
  ContactId | reference | Contact ID | cu | ref=Contact;rel=Contact;child=Cases
  AccountId | reference | Account ID | cu | ref=Account;rel=Account;child=Cases
  ParentId | reference | Parent Case ID | cu | ref=Case;rel=Parent;child=Cases
  RecordTypeId | reference | Record Type ID | cu | ref=RecordType;rel=RecordType
  SuppliedName | string(80) | Name | cu
  SuppliedEmail | email | Email Address | cu
  SuppliedPhone | string(40) | Phone | cu
  SuppliedCompany | string(80) | Company | cu
  Type | picklist | Case Type | cu | pick=CaseType
  Status | picklist | Status | cu | pick=CaseStatus;default=New
  Reason | picklist | Case Reason | cu | pick=CaseReason
  Origin | picklist | Case Origin | cu | pick=CaseOrigin
  Subject | string(255) | Subject | cu
  Priority | picklist | Priority | cu | pick=CasePriority;default=Medium
  Description | textarea(32000) | Description | cu
  IsClosed | boolean | Closed | !
  ClosedDate | datetime | Closed Date |
  IsEscalated | boolean | Escalated | cu !
  OwnerId | reference | Owner ID | cu ! | ref=Group,User;rel=Owner;default=@user
  ContactPhone | phone | Contact Phone |
  ContactMobile | phone | Contact Mobile |
  ContactEmail | email | Contact Email |
  ContactFax | phone | Contact Fax |
  Comments | textarea(4000) | Internal Comments | cu nofilter
  LastViewedDate | datetime | Last Viewed Date |
  LastReferencedDate | datetime | Last Referenced Date |

Task | 00T | Task | Tasks |
  WhoId | reference | Name ID | cu | ref=Contact,Lead;rel=Who;child=Tasks
  WhatId | reference | Related To ID | cu | ref=Account,Campaign,Case,Opportunity;rel=What;child=Tasks
  WhoCount | int | Relation Count | shared
  WhatCount | int | Related To Count | shared
  Subject | combobox(255) | Subject | cu | pick=TaskSubject
  ActivityDate | date | Due Date Only | cu
  Status | picklist | Status | cu ! | pick=TaskStatus;default=Not Started
  Priority | picklist | Priority | cu ! | pick=TaskPriority;default=Normal
  IsHighPriority | boolean | High Priority | !
  OwnerId | reference | Assigned To ID | cu ! | ref=Group,User;rel=Owner;default=@user
  Description | textarea(32000) | Description | cu
  Type | picklist(40) | Type | cu | pick=TaskType
  AccountId | reference | Account ID | | ref=Account;rel=Account
  IsClosed | boolean | Closed | !
  IsArchived | boolean | Archived | !
  CallDurationInSeconds | int(8) | Call Duration | cu
  CallType | picklist(40) | Call Type | cu restricted | pick=CallType
  CallDisposition | string(255) | Call Result | cu
  CallObject | string(255) | Call Object Identifier | cu
  ReminderDateTime | datetime | Reminder Date/Time | cu
  IsReminderSet | boolean | Reminder Set | cu !
  RecurrenceActivityId | reference | Recurrence Activity ID | | ref=Task;rel=RecurrenceActivity;child=RecurringTasks
  IsRecurrence | boolean | Create Recurring Series of Tasks | c !
  RecurrenceStartDateOnly | date | Recurrence Start | cu
  RecurrenceEndDateOnly | date | Recurrence End | cu
  RecurrenceTimeZoneSidKey | picklist(40) | Recurrence Time Zone | cu restricted | pick=TimeZone
  RecurrenceType | picklist(40) | Recurrence Type | cu restricted | pick=RecurrenceType
  RecurrenceInterval | int(9) | Recurrence Interval | cu
  RecurrenceDayOfWeekMask | int(9) | Recurrence Day of Week Mask | cu
  RecurrenceDayOfMonth | int(9) | Recurrence Day of Month | cu
  RecurrenceInstance | picklist(40) | Recurrence Instance | cu restricted | pick=RecurrenceInstance
  RecurrenceMonthOfYear | picklist(40) | Recurrence Month of Year | cu restricted | pick=Month
  RecurrenceRegeneratedType | picklist(40) | Repeat This Task | cu restricted | pick=RecurrenceRegeneratedType
  TaskSubtype | picklist(40) | Task Subtype | c restricted | pick=TaskSubtype;default=Task
  CompletedDateTime | datetime | Completed Date/Time |
  TaskWhoIds | junctionidlist | Name ID List | cu shared nofilter | ref=Contact,Lead

Event | 00U | Event | Events |
  WhoId | reference | Name ID | cu | ref=Contact,Lead;rel=Who;child=Events
  WhatId | reference | Related To ID | cu | ref=Account,Campaign,Case,Opportunity;rel=What;child=Events
  Subject | combobox(255) | Subject | cu | pick=EventSubject
  Location | string(255) | Location | cu
  IsAllDayEvent | boolean | All-Day Event | cu !
  ActivityDateTime | datetime | Due Date Time | cu
  ActivityDate | date | Due Date Only | cu
  DurationInMinutes | int(8) | Duration | cu
  StartDateTime | datetime | Start Date Time | cu
  EndDateTime | datetime | End Date Time | cu
  Description | textarea(32000) | Description | cu
  AccountId | reference | Account ID | | ref=Account;rel=Account
  OwnerId | reference | Assigned To ID | cu ! | ref=User;rel=Owner;default=@user
  Type | picklist(40) | Type | cu | pick=EventType
  IsPrivate | boolean | Private | cu !
  ShowAs | picklist(40) | Show Time As | cu restricted | pick=ShowAs;default=Busy
  IsArchived | boolean | Archived | !
  IsReminderSet | boolean | Reminder Set | cu !
  ReminderDateTime | datetime | Reminder Date/Time | cu
  EventSubtype | picklist(40) | Event Subtype | c restricted | pick=EventSubtype;default=Event

TaskRelation | 0RT | Task Relation | Task Relations | noupdate shared nosearch
  RelationId | reference | Relation ID | c ! | ref={_RELATABLE};rel=Relation;child=TaskRelations
  TaskId | reference | Task ID | c ! | ref=Task;rel=Task;child=TaskRelations
  IsWhat | boolean | Is What | c !
  AccountId | reference | Account ID | | ref=Account;rel=Account

TaskWhoRelation | 0RT | Task Relation | Task Relations | nocreate noupdate nodelete shared nosearch noreplicate
  RelationId | reference | Relation ID | | ref=Contact,Lead;rel=Relation
  TaskId | reference | Task ID | | ref=Task;rel=Task;child=TaskWhoRelations
  AccountId | reference | Account ID | | ref=Account;rel=Account
  Type | string(50) | Type |

AccountContactRelation | 07k | Account Contact Relationship | Account Contact Relationships | nosearch
  AccountId | reference | Account ID | c ! | ref=Account;rel=Account;child=AccountContactRelations
  ContactId | reference | Contact ID | c ! | ref=Contact;rel=Contact;child=AccountContactRelations
  Roles | multipicklist(4099) | Roles | cu | pick=AccountContactRole
  IsDirect | boolean | Direct | !
  IsActive | boolean | Active | cu ! | default=true
  StartDate | date | Start Date | cu
  EndDate | date | End Date | cu

Opportunity | 006 | Opportunity | Opportunities |
  AccountId | reference | Account ID | cu | ref=Account;rel=Account;child=Opportunities
  Name | string(120) | Name | cu ! name
  Description | textarea(32000) | Description | cu
  StageName | picklist | Stage | cu ! | pick=OpportunityStage
  Amount | currency(18,2) | Amount | cu
  Probability | percent(3,0) | Probability (%) | cu
  CloseDate | date | Close Date | cu !
  Type | picklist | Opportunity Type | cu | pick=OpportunityType
  NextStep | string(255) | Next Step | cu
  LeadSource | picklist | Lead Source | cu | pick=LeadSource
  IsClosed | boolean | Closed | !
  IsWon | boolean | Won | !
  CampaignId | reference | Campaign ID | cu | ref=Campaign;rel=Campaign;child=Opportunities
  ContactId | reference | Contact ID | c | ref=Contact;rel=Contact
  OwnerId | reference | Owner ID | cu ! | ref=User;rel=Owner;default=@user
  LastActivityDate | date | Last Activity |

Campaign | 701 | Campaign | Campaigns |
  Name | string(80) | Name | cu ! name
  ParentId | reference | Parent Campaign ID | cu | ref=Campaign;rel=Parent;child=ChildCampaigns
  Type | picklist(40) | Type | cu | pick=CampaignType
  Status | picklist(40) | Status | cu | pick=CampaignStatus;default=Planned
  StartDate | date | Start Date | cu
  EndDate | date | End Date | cu
  IsActive | boolean | Active | cu !
  Description | textarea(32000) | Description | cu
  OwnerId | reference | Owner ID | cu ! | ref=User;rel=Owner;default=@user
  LastActivityDate | date | Last Activity |

CaseComment | 00a | Case Comment | Case Comments |
  ParentId | reference | Parent ID | c ! | ref=Case;rel=Parent;child=CaseComments
  IsPublished | boolean | Published | cu !
  CommentBody | textarea(4000) | Body | cu nofilter
  CreatorName | string(121) | Created By |

User | 005 | User | Users | nodelete noisdeleted
  Username | string(80) | Username | cu ! idlookup
  LastName | string(80) | Last Name | cu !
  FirstName | string(40) | First Name | cu
  Name | string(121) | Full Name | ! name
  CompanyName | string(80) | Company Name | cu
  Division | string(80) | Division | cu
  Department | string(80) | Department | cu
  Title | string(80) | Title | cu
  Email | email(128) | Email | cu ! idlookup
  Phone | phone | Phone | cu
  MobilePhone | phone | Mobile | cu
  Extension | phone | Extension | cu
  Alias | string(8) | Alias | cu !
  CommunityNickname | string(40) | Nickname | cu
  IsActive | boolean | Active | cu ! | default=true
  TimeZoneSidKey | picklist(40) | Time Zone | cu ! restricted | pick=TimeZone
  LocaleSidKey | picklist(40) | Locale | cu ! restricted | pick=Locale
  EmailEncodingKey | picklist(40) | Email Encoding | cu ! restricted | pick=EmailEncoding
  LanguageLocaleKey | picklist(40) | Language | cu ! restricted | pick=Language
  UserType | picklist(40) | User Type | restricted | pick=UserType
  EmployeeNumber | string(20) | Employee Number | cu
  FederationIdentifier | string(512) | SAML Federation ID | cu
  ManagerId | reference | Manager ID | cu | ref=User;rel=Manager
  CallCenterId | reference | Call Center ID | cu
  LastLoginDate | datetime | Last Login |

Group | 00G | Group | Groups | noisdeleted
  Name | string(40) | Name | cu ! name
  DeveloperName | string(80) | Developer Name | cu
  Type | picklist(40) | Type | c ! restricted | pick=GroupType
  Email | email(255) | Email | cu
  DoesSendEmailToMembers | boolean | Send Email to Members | cu !
  OwnerId | reference | Owner ID | | ref=Organization,User;rel=Owner
  RelatedId | reference | Related ID | | ref=User;rel=Related

Organization | 00D | Organization | Organizations | nocreate nodelete minimal nosearch noreplicate
  Name | string(80) | Name | u ! name
  Division | string(80) | Division | u
  Street | textarea(255) | Street | u
  City | string(40) | City | u
  State | string(80) | State/Province | u
  PostalCode | string(20) | Zip/Postal Code | u
  Country | string(80) | Country | u
  Phone | phone | Phone | u
  PrimaryContact | string(80) | Primary Contact | u
  DefaultLocaleSidKey | picklist(40) | Locale | u ! restricted | pick=Locale
  TimeZoneSidKey | picklist(40) | Time Zone | u ! restricted | pick=TimeZone
  LanguageLocaleKey | picklist(40) | Language | u ! restricted | pick=Language
  OrganizationType | picklist(40) | Edition | restricted | pick=OrganizationType
  NamespacePrefix | string(15) | Namespace Prefix |
  InstanceName | string(5) | Instance Name |
  IsSandbox | boolean | Is Sandbox | !

RecordType | 012 | Record Type | Record Types | nodelete minimal nosearch
  Name | string(80) | Name | cu ! name
  DeveloperName | string(80) | Record Type Name | cu !
  NamespacePrefix | string(15) | Namespace Prefix |
  Description | string(255) | Description | cu
  SobjectType | picklist(40) | SObject Type Name | c ! restricted | pick=RecordTypeObject
  IsActive | boolean | Active | cu !
  IsPersonType | boolean | Is Person Type | ! person

TaskStatus | 01T | Task Status Value | Task Status Value | nocreate noupdate nodelete minimal nosearch noreplicate
  MasterLabel | string(255) | Master Label | name
  ApiName | string(255) | API Name | !
  SortOrder | int | Sort Order |
  IsDefault | boolean | Is Default | !
  IsClosed | boolean | Is Closed | !

CaseStatus | 01J | Case Status Value | Case Status Value | nocreate noupdate nodelete minimal nosearch noreplicate
  MasterLabel | string(255) | Master Label | name
  ApiName | string(255) | API Name | !
  SortOrder | int | Sort Order |
  IsDefault | boolean | Is Default | !
  IsClosed | boolean | Is Closed | !
"""

ACTIVITY_KEY = "Gateway_Interaction_Key__c"
# What an org has of its own where its seed does not say otherwise. Fields of Task and Event belong to Activity.
CUSTOM_FIELDS: dict[str, tuple[str, ...]] = {
    "Account": ("Customer_Number__c | string(40) | Customer Number | cu external",),
    "Activity": (f"{ACTIVITY_KEY} | string(255) | Gateway Interaction Key | cu external unique",),
}

CLOSED_TASK_STATUSES = frozenset({"completed"})
CLOSED_CASE_STATUSES = frozenset({"closed"})

PICKLISTS: dict[str, tuple[str, ...]] = {
    "AccountType": (
        "Prospect",
        "Customer - Direct",
        "Customer - Channel",
        "Channel Partner / Reseller",
        "Installation Partner",
        "Technology Partner",
        "Household",
        "Other",
    ),
    "AccountContactRole": (
        "Business User",
        "Decision Maker",
        "Economic Buyer",
        "Executive Sponsor",
        "Influencer",
        "Other",
    ),
    "CallType": ("Internal", "Inbound", "Outbound"),
    "CampaignStatus": ("Planned", "In Progress", "Completed", "Aborted"),
    "CampaignType": ("Conference", "Webinar", "Trade Show", "Email", "Telemarketing", "Other"),
    "CaseOrigin": ("Phone", "Email", "Web", "Chat"),
    "CasePriority": ("High", "Medium", "Low"),
    "CaseReason": ("Installation", "Equipment Complexity", "Performance", "Breakdown", "Feedback", "Other"),
    "CaseStatus": ("New", "Working", "Escalated", "Closed"),
    "CaseType": (
        "Mechanical",
        "Electrical",
        "Electronic",
        "Structural",
        "Billing",
        "Complaint",
        "Cancellation",
        "Other",
    ),
    "EmailEncoding": ("UTF-8", "ISO-8859-1"),
    "EventSubject": ("Call", "Email", "Meeting", "Send Letter/Quote", "Other"),
    "EventSubtype": ("Event",),
    "EventType": ("Email", "Meeting", "Other", "Call"),
    "GeocodeAccuracy": (
        "Address",
        "NearAddress",
        "Block",
        "Street",
        "ExtendedZip",
        "Zip",
        "Neighborhood",
        "City",
        "County",
        "State",
        "Unknown",
    ),
    "GroupType": ("Regular", "Role", "RoleAndSubordinates", "Organization", "Queue"),
    "Industry": ("Construction", "Consulting", "Energy", "Engineering", "Finance", "Retail", "Utilities", "Other"),
    "Language": ("en_US", "de", "es", "fr", "it", "ja"),
    "LeadSource": ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
    "LeadStatus": ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
    "Locale": ("en_US", "en_GB", "de_DE", "es_ES", "fr_FR", "it_IT", "ja_JP"),
    "Month": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    "OpportunityStage": ("Prospecting", "Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost"),
    "OpportunityType": ("Existing Customer - Upgrade", "New Customer"),
    "OrganizationType": ("Developer Edition", "Enterprise Edition", "Unlimited Edition"),
    "Ownership": ("Public", "Private", "Subsidiary", "Other"),
    "Rating": ("Hot", "Warm", "Cold"),
    "RecordTypeObject": ("Account", "Case", "Contact", "Lead", "Opportunity", "Task"),
    "RecurrenceInstance": ("First", "Second", "Third", "Fourth", "Last"),
    "RecurrenceRegeneratedType": (
        "RecurrenceRegenerateAfterDueDate",
        "RecurrenceRegenerateAfterToday",
        "RecurrenceRegenerated",
    ),
    "RecurrenceType": (
        "RecursDaily",
        "RecursEveryWeekday",
        "RecursMonthly",
        "RecursMonthlyNth",
        "RecursWeekly",
        "RecursYearly",
        "RecursYearlyNth",
    ),
    "Salutation": ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."),
    "ShowAs": ("Busy", "OutOfOffice", "Free"),
    "TaskPriority": ("High", "Normal", "Low"),
    "TaskStatus": ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"),
    "TaskSubject": ("Call", "Email", "Send Letter", "Send Quote", "Other"),
    "TaskSubtype": ("Task", "Email", "ListEmail", "Cadence", "Call", "LinkedIn", "Note"),
    "TaskType": ("Call", "Meeting", "Email", "Other"),
    "TimeZone": ("America/Los_Angeles", "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Tokyo", "GMT"),
    "UserType": ("Standard", "PowerPartner", "CspLitePortal", "Guest"),
}
