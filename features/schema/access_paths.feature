@core
Feature: Look-ups use indexes and bad rows are refused

  @SCH-006 @must
  Rule: SCH-006 Hot queries scan no table
    The hot queries (tenant by id, by sandbox id, usage of a tenant in a time range) use an index: no table scan in the query plan.

    @needs.d1
    Scenario Outline: <query>
      Then the plan of this query searches by index and scans no table
        """
        <sql>
        """

      Examples:
        | query                              | sql                                                                                                                      |
        | Tenant by id                       | SELECT * FROM tenants WHERE id = ?1                                                                                      |
        | Tenant by sandbox id               | SELECT * FROM tenants WHERE sandbox_id = ?1                                                                              |
        | Usage of a tenant in a time range  | SELECT * FROM usage WHERE tenant_id = ?1 AND created_at >= ?2 AND created_at < ?3                                        |
        | The same in the order of time      | SELECT * FROM usage WHERE tenant_id = ?1 AND created_at >= ?2 AND created_at < ?3 ORDER BY created_at                    |
        | Sums of the same                   | SELECT sum(tokens_in), sum(tokens_out) FROM usage WHERE tenant_id = ?1 AND created_at >= ?2 AND created_at < ?3          |

      # No hot query of the criterion: a backend deletes a tenant once.
      @until.1.0
      Examples:
        | query | sql |
        | Usage to be deleted with a tenant | DELETE FROM usage WHERE tenant_id = ?1 |

    # What the backend sends is what costs, whatever the schema would allow.
    @needs.d1 @needs.store-faults @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: The backend's own statements for these look-ups scan nothing
      Given a free tenant "a"
      And tenant "a" chats so that a usage row is written
      When the operator reads the usage of tenant "a" in a time range, and tenant "a" asks for its status
      Then each statement by which that was looked up searches by index and scans no table

    @needs.d1 @needs.store-faults @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Nor do those by which the pages of a tenant's usage are turned
      Given a free tenant "a"
      And a free tenant "b"
      And tenants "a" and "b" have 3 usage rows each
      When the operator turns the pages of the usage of tenant "a" in a time range
      Then each statement by which that was looked up searches by index and scans no table

  @SCH-007 @should
  Rule: SCH-007 Look-ups do not grow with the number of tenants
    Look-up time does not grow with the number of tenants beyond the logarithm.

    @needs.d1
    Scenario: With a thousand times as many tenants a look-up takes hardly more steps
      When look-ups by id and by sandbox id are counted in the target's schema with 100 and with 100000 tenants
      Then the larger one takes at most 2.5 times the steps and scans nothing

  @SCH-008 @must
  Rule: SCH-008 Bad rows are refused
    Bad tier, negative tokens, duplicate sandbox id are refused by the database itself where the source's schema can express it, else by the application, with 400 or 409 and nothing written.

    @needs.admin @needs.tenants @needs.d1 @needs.kv
    Scenario: A bad tier is refused at creation and at change
      Given a free tenant "a"
      When the operator asks for each of these tiers, for a new tenant and for tenant "a"
        | "gold"     |
        | "Premium"  |
        | " free"    |
        | "free "    |
        | ""         |
        | 1          |
        | ["free"]   |
        | true       |
      Then each of these requests is refused with 400 "INVALID_REQUEST"
      And tenant "a" is as it was, and nothing is known of the new ones
      But each tier of the contract is accepted for a new tenant and for tenant "a"

    @needs.admin @needs.tenants @needs.hosts @needs.d1 @needs.kv @since.1.1
    Scenario: Nor does a bad tier leave behind what was asked for with it
      Given a free tenant "a"
      When the operator gives tenant "a" another slug together with each of these tiers
        | "gold"     |
        | "Premium"  |
        | 1          |
      Then each of these requests is refused with 400 "INVALID_REQUEST"
      And tenant "a" is as it was, and nothing is known of the new ones
      And none of the slugs that were asked for belongs to anybody
      But each tier of the contract is accepted for a new tenant and for tenant "a"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: Negative tokens of an upstream leave no row
      Given a free tenant "a"
      When the model's answers to tenant "a" report these tokens
        | -5 | 3  |
        | 5  | -3 |
        | -1 | -1 |
      And tenant "a" chats so that a usage row is written
      Then tenant "a" has that one usage row and no negative number in it

    @needs.d1-write @needs.tenants
    Scenario: The database refuses a second row with a sandbox id
      Given a free tenant "a"
      When a row with a fresh id and the sandbox id of tenant "a" is inserted behind the backend's back
      Then the database refuses it as not unique
      But the same row with a sandbox id of its own is taken

    @needs.admin @needs.tenants @needs.d1 @needs.kv
    Scenario: An id, slug or domain that is taken is refused, and nothing is written
      Given a free tenant "a" with the domain "own"
      When the operator asks for tenants with the id, with the slug and with the domain of tenant "a"
      Then each of these requests is refused with 409 "CONFLICT"
      And tenant "a" is as it was, and nothing is known of the new ones
