"""What lackey does: one function = one use case = one transaction.

`Database` is passed through by the callers; they never look inside.
"""

from lackey.store.database import Database

__all__ = ["Database"]
