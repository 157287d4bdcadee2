-- Phase 1: two tables, no more. Timestamps are integer epoch milliseconds set by the application; no triggers.
-- `tier` has no CHECK: an unknown or empty tier in the data routes as free (AIG-006); the application refuses it at the door.
CREATE TABLE tenants (
  id TEXT PRIMARY KEY NOT NULL,
  platform TEXT NOT NULL,
  tier TEXT NOT NULL,
  sandbox_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

CREATE UNIQUE INDEX tenants_sandbox_id ON tenants (sandbox_id);

CREATE TABLE usage (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  model TEXT NOT NULL,
  tokens_in INTEGER NOT NULL CHECK (tokens_in >= 0),
  tokens_out INTEGER NOT NULL CHECK (tokens_out >= 0),
  latency_ms INTEGER NOT NULL CHECK (latency_ms >= 0),
  created_at INTEGER NOT NULL
);

CREATE INDEX usage_tenant_created ON usage (tenant_id, created_at);
