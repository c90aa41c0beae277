"""The network behind an HTTP endpoint; its module is imported when it is started, since FastAPI is an extra."""
