"""What goes in and out, as pydantic models: they check, explain what is wrong, and describe themselves in OpenAPI."""
