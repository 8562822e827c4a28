"""CRM-integration gateway: interactions from contact-centre platforms become Salesforce Tasks on the right records."""
