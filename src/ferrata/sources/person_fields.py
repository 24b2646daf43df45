"""The fields of a person that can leave for Klaviyo, by Klaviyo's names: for the allow-list and the data-flow document."""

PERSON_FIELDS = {
    "email": "E-mail address",
    "phone_number": "Phone number",
    "external_id": "The shop's id of the customer",
    "first_name": "First name",
    "last_name": "Last name",
    "title": "Title or salutation",
    "organization": "Company",
    "locale": "Language and region",
    "image": "Address of a picture",
    "location": "Postal address, with country and region",
    "properties": "All custom properties; one alone is properties.NAME",
}
IDENTIFIERS = ("email", "phone_number", "external_id")
