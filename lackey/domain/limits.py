"""What lackey takes at most: each bound that is no setting, by the name under which the admin's guide lists it.

Honest work meets none of them; who meets one is told which it is and what to do.
"""

# Of what is sent, in bytes.
REPORT_BYTES = 1 << 30
UNAUTHENTICATED_BYTES = 1 << 20
FIELDS_BYTES = 1 << 20
BODY_BYTES = 1 << 20
QUERY_BYTES = 8 << 10

# How many of them.
FORM_FIELDS = 2_000
QUERY_FIELDS = 100
