"""The admin API of simulated nodes: one table of routes, its server, its OpenAPI document and its client."""
