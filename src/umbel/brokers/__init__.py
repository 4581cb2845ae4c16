"""Move messages: one contract (`base`), one implementation per broker, chosen by URL (`registry`)."""
