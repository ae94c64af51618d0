"""What people read when nobody decided in time."""


def expired(days: int) -> str:
    """A proposal waited for an answer for so many days."""
    span = "a day" if days == 1 else f"{days} days"
    return f"Nobody decided on this proposal for {span}, so it expired; its branch is deleted. Nothing was changed."
