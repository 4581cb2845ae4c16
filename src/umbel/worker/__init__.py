"""A worker: from the broker over admission and slots to acknowledgement."""
