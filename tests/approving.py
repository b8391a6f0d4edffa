"""What the worker does with changes that have waited their time, at whatever time a test says that it is."""

from datetime import datetime

from mydevices.accounts import approval_decisions, approvals


def carry_out_due(*, now: datetime) -> int:
    """How many were ended."""
    due = list(approvals.waiting().filter(ends_at__lte=now).values_list("id", flat=True))
    return sum(approval_decisions.end_due(approval_id=approval_id, now=now) for approval_id in due)
