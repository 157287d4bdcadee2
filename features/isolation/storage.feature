@core
Feature: Stored state lies below the tenant's own prefix

  @ISO-004 @must
  Rule: ISO-004 Objects and entries of a sandbox lie under its prefix
    A tenant's stored state (R2 objects, KV entries of its sandbox) lies under its own `<sandbox_id>` prefix and no other tenant's request reads or overwrites it.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.kv @needs.r2
    Scenario: Every key is below the prefix of its tenant
      Given the keys that are in the bucket already
      And a free tenant "a"
      And a premium tenant "b"
      When the gateway of tenant "a" is started
      And tenant "b" sends a cold chat
      Then the bucket holds objects below the sandbox id of tenant "a"
      And the bucket holds objects below the sandbox id of tenant "b"
      And no key of bucket or registry names tenant "a" or "b" elsewhere
      And every new key of the bucket lies below a sandbox id

    @needs.tenants @needs.hosts @needs.admin @needs.kv @needs.r2 @since.1.1
    Scenario: What a deleted tenant had is kept nowhere else
      Given the keys that are in the bucket already
      And a free tenant "a"
      And a free tenant "b"
      When the gateway of tenant "a" is started
      Then the bucket holds objects below the sandbox id of tenant "a"
      Given a free tenant "a" is removed for good
      Then no key of bucket or registry names tenant "a" or "b" elsewhere
      And every new key of the bucket lies below a sandbox id

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.r2 @since.1.1
    Scenario Outline: A chat that names another sandbox in <place> stores nothing there
      Given a free tenant "a"
      And a free tenant "b"
      When tenant "a" sends a cold chat that names the sandbox of tenant "b" in <place>
      Then what the bucket holds of it lies below the sandbox id of tenant "a", and nothing below that of tenant "b"

      Examples:
        | place                    |
        | its body                 |
        | the metadata of its body |
        | a header                 |
        | its query                |
        | a cookie                 |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.kv-write @needs.r2 @needs.d1
    Scenario: Another tenant's whole life touches nothing below it
      Given a free tenant "a" with usage, a running gateway, stored objects and entries
      And a free tenant "b"
      When tenant "b" asks for its status, chats, streams, is started, renamed and deleted
      Then tenant "a" has all that it had
      And nothing is left of tenant "b"
