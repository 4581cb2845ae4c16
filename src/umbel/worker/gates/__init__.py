"""Gates: what may keep an admitted message from running now. Each is one file, and one line in `umbel.worker.parts.WorkerParts`."""
