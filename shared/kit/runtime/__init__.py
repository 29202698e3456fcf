"""The life of a process: `service.run_service` runs a service that is built with a
`service_context.ServiceContext`.

May import every package of the kit.
"""
