"""Request and reply over Kafka: `client.RpcClient`, which calls, and `server.RpcServer` with its
`handlers.HandlerRegistry`, which serves; `caller.Caller` is what callers depend on.

May import every package of the kit but `runtime` and `events`.
"""
