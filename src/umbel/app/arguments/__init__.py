"""Arguments that tasks do not get as they were sent: models of pydantic, and objects that are lent to them."""
