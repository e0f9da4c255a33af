"""The least that a Bottle service can do: what lackey's reports are measured against."""

import bottle

application = bottle.Bottle()


@application.put("/api/run/<verb>/<run_id:int>")  # type: ignore[untyped-decorator]
def answer(verb: str, run_id: int) -> dict[str, object]:
    """Read the form, answer with what was asked."""
    return {"id": run_id, "verb": verb, "exit": bottle.request.forms.get("exit")}
