"""The routes under `/api/v1`, one module a subject. Each turns a request into calls of other rooms, and back."""
