"""From a call to a message in the broker: its options, its queue and address, its rendering, its publishing."""
