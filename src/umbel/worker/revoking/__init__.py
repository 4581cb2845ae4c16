"""Revocation in a worker: by id and by stamp, of what is here, what runs and what is to come; kept, and shared with other workers."""
