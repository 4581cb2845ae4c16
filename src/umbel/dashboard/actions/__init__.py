"""The things that people may do, by theme. An action is a row of `umbel.dashboard.web.acting.Action`: its name, its path, the role that it needs, and a function."""
