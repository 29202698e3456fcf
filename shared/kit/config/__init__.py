"""Typed settings read from the environment: `env.Settings` and `env.load`, `settings.ProcessSettings`.

May import nothing of the kit but `clock`.
"""
