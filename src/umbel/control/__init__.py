"""Ask and command workers."""
