"""The only code that knows Salesforce."""
