"""The settings of an app: what there is (`schema`), where they come from (`sources`), how they are read (`settings`)."""
