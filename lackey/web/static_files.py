def asset_url(name: str) -> str | None:
    return None
