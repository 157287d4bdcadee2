@core
Feature: The schema of Phase 1
  `tenants(id, platform, tier, sandbox_id, created_at, updated_at)` and `usage(id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at)`: two tables, no more; no triggers.

  @SCH-001 @must
  Rule: SCH-001 Two tables with exactly these columns
    Exactly these columns and affinities; ids TEXT primary keys; NOT NULL as in the source.

    @needs.d1 @smoke
    Scenario: Tables, columns, affinities and keys
      Then the database has exactly the tables "tenants, usage", no trigger and no view
      And table "tenants" has exactly these columns
        | id         | TEXT    | primary key |
        | platform   | TEXT    | not null    |
        | tier       | TEXT    | not null    |
        | sandbox_id | TEXT    | not null    |
        | created_at | INTEGER | not null    |
        | updated_at | INTEGER | not null    |
      And table "usage" has exactly these columns
        | id         | TEXT    | primary key |
        | tenant_id  | TEXT    | not null    |
        | model      | TEXT    | not null    |
        | tokens_in  | INTEGER | not null    |
        | tokens_out | INTEGER | not null    |
        | latency_ms | INTEGER | not null    |
        | created_at | INTEGER | not null    |

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: What the backend writes has the types of the schema
      Given a free tenant "a"
      When tenant "a" chats so that a usage row is written
      Then the rows of tenant "a" hold texts and integers as the schema has them
      And their times are epoch milliseconds of about now

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: The tables are the same whatever operators and callers have done
      Given a free tenant "a"
      When the operator changes every field of tenant "a" back and forth
      And tenant "a" chats so that a usage row is written
      And the operator reads all that is known of tenant "a"
      Then the database has exactly the tables "tenants, usage", no trigger and no view
      And table "tenants" has exactly these columns
        | id         | TEXT    | primary key |
        | platform   | TEXT    | not null    |
        | tier       | TEXT    | not null    |
        | sandbox_id | TEXT    | not null    |
        | created_at | INTEGER | not null    |
        | updated_at | INTEGER | not null    |
      And table "usage" has exactly these columns
        | id         | TEXT    | primary key |
        | tenant_id  | TEXT    | not null    |
        | model      | TEXT    | not null    |
        | tokens_in  | INTEGER | not null    |
        | tokens_out | INTEGER | not null    |
        | latency_ms | INTEGER | not null    |
        | created_at | INTEGER | not null    |

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Nor do they change by the answer of a fallback and the end of a tenant that was billed
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer 21/8"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "21/8"
      When the operator removes tenant "a" from the database
      Then the database has exactly the tables "tenants, usage", no trigger and no view
      And table "tenants" has exactly these columns
        | id         | TEXT    | primary key |
        | platform   | TEXT    | not null    |
        | tier       | TEXT    | not null    |
        | sandbox_id | TEXT    | not null    |
        | created_at | INTEGER | not null    |
        | updated_at | INTEGER | not null    |
      And table "usage" has exactly these columns
        | id         | TEXT    | primary key |
        | tenant_id  | TEXT    | not null    |
        | model      | TEXT    | not null    |
        | tokens_in  | INTEGER | not null    |
        | tokens_out | INTEGER | not null    |
        | latency_ms | INTEGER | not null    |
        | created_at | INTEGER | not null    |

  @SCH-002 @must
  Rule: SCH-002 The indexes that look-ups need
    Unique index on `tenants(sandbox_id)`; index on `usage(tenant_id, created_at)`.

    @needs.d1
    Scenario: Both indexes are there and cover every row
      Then table "tenants" has a unique index on exactly "sandbox_id"
      And table "usage" has an index that begins with "tenant_id, created_at"

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Both indexes are still there whatever operators and callers have done
      Given a free tenant "a"
      When the operator changes every field of tenant "a" back and forth
      And tenant "a" chats so that a usage row is written
      And the operator reads all that is known of tenant "a"
      Then table "tenants" has a unique index on exactly "sandbox_id"
      And table "usage" has an index that begins with "tenant_id, created_at"

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Both outlive the answer of a fallback and the end of a tenant that was billed
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer 21/8"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "21/8"
      When the operator removes tenant "a" from the database
      Then table "tenants" has a unique index on exactly "sandbox_id"
      And table "usage" has an index that begins with "tenant_id, created_at"

  @SCH-003 @must
  Rule: SCH-003 Usage belongs to a tenant
    `usage.tenant_id` references `tenants(id)` on delete cascade, and it is enforced.

    @needs.d1
    Scenario: The reference is declared
      Then column "tenant_id" of table "usage" references "tenants.id" on delete cascade

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: A tenant deleted by the operator takes its usage with it, and only its own
      Given a free tenant "a"
      And a free tenant "b"
      And tenants "a" and "b" have 2 usage rows each
      When the operator removes tenant "a" from the database
      Then no usage row of tenant "a" is left
      And tenant "b" still has 2 usage rows

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Nor is its usage kept under another tenant
      Given a free tenant "a"
      And a free tenant "b"
      And tenants "a" and "b" have 2 usage rows each
      When the operator removes tenant "a" from the database
      Then no usage row that was tenant "a"'s is left, whoever it may be ascribed to
      And tenant "b" still has 2 usage rows

    @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: A chat that outlives its tenant leaves no row without tenant
      Given a free tenant "a"
      And a free tenant "b"
      When a streamed chat of tenant "a" is under way
      And the operator removes tenant "a" from the database
      And the streamed chat goes on to its end
      And tenant "b" chats so that a usage row is written
      Then no usage row of tenant "a" is left

    @needs.d1 @whole-run
    Scenario: After all that the run did, every usage row has its tenant
      Then every usage row in the database has its tenant
