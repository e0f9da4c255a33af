"""What lackey takes at most: each bound that is no setting, by the name under which the admin's guide lists it.

Honest work meets none of them; who meets one is told which it is and what to do.
"""

# Of what is sent, in bytes.
REPORT_BYTES = 1 << 30
UNAUTHENTICATED_BYTES = 1 << 20
FIELDS_BYTES = 1 << 20
VALUE_BYTES = 64 << 10
BODY_BYTES = 1 << 20
QUERY_BYTES = 8 << 10
SWEEP_BYTES = 16 << 20

# Of what is kept and shown, in bytes.
PARAMETERS_BYTES = 64 << 10
ENVIRONMENT_BYTES = 128 << 10
LIST_BYTES = 16 << 20

# How many of them.
METRIC_NAMES = 1_000
METRIC_POINTS = 1_000_000
LOG_PIECES = 10_000
EVENTS = 10_000
TOKENS = 100
WAITING_RUNS = 200_000
AFTER = 10_000
SWEEP_RUNS = 100_000
TAGS = 20
SESSIONS = 100
SERVE_CONNECTIONS = 512
FORM_FIELDS = 2_000
QUERY_FIELDS = 100
