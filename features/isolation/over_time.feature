@core
Feature: Isolation holds under load and when names change hands

  @ISO-003 @must
  Rule: ISO-003 Neither concurrency nor a reused name mixes tenants
    The same holds under concurrency and directly after deletion and re-creation of a slug.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Six tenants call at once, each naming the next
      Given 6 tenants of mixed tiers, their gateways cold
      When all of them ask for their status and chat 8 times at once, each naming the next one
      Then each was answered as itself, by its own model call, on its own bill
      And each has a gateway of its own

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv-write @needs.r2
    Scenario: A slug given to a new tenant brings nothing of the old one
      Given a free tenant "old" with usage, a running gateway, stored objects and entries
      And a free tenant "bystander" with usage, a running gateway, stored objects and entries
      When tenant "old" is deleted and tenant "new" made with its slug at once
      Then tenant "new" answers on that host, its gateway stopped
      And tenant "new" has no usage and no state, and a sandbox id of its own
      And nothing is left of tenant "old"
      And tenant "new" chats on its own bill, below its own sandbox id
      And tenant "bystander" has all that it had

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: A chat under way while its tenant is replaced is not billed to the successor
      Given a free tenant "old"
      When a streamed chat of tenant "old" is under way
      And tenant "old" is deleted and tenant "new" made with its slug at once
      And the streamed chat goes on to its end
      And tenant "new" chats once
      Then tenant "new" has exactly one usage row, that of its own chat
      And tenant "old" has left no usage row

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Two tenants that exchange slugs are billed for their new hosts
      Given a free tenant "a"
      And a premium tenant "b"
      When the operator exchanges the slugs of tenants "a" and "b"
      And 3 chats are sent to the host that was of tenant "a" and 5 to the one of tenant "b"
      Then tenant "b" has 3 usage rows and tenant "a" has 5

    @since.1.1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: A hostname given to a new tenant tells nothing of the old one
      Given a free tenant "old" with these custom hostnames:
        | shop.{domain old} |
      Then host "shop.{domain old}" answers as tenant "old"
      When the operator deletes tenant "old"
      And the operator creates the tenant "new" with the custom hostname "shop.{domain old}"
      Then nothing at host "shop.{domain old}" is told of tenant "old"
      When somebody chats at host "shop.{domain old}"
      Then the answer has status 200
      And the chat is billed to tenant "new" alone

    @since.1.1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Streams that are parted inside a character at the same time keep to themselves
      Given a free tenant "a"
      And a premium tenant "b"
      And an enterprise tenant "c"
      When a stream of tenant "a" is parted inside a character
      Then streams of tenants "a, b, c", each parted inside a character at the same time, say what each one's model said

    @since.1.1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv-write @needs.r2
    Scenario: A deleted tenant leaves nothing, however much it had
      Given a free tenant "old" with usage, a running gateway, stored objects and entries
      And 1100 more objects are stored below the sandbox id of tenant "old"
      When the operator deletes tenant "old"
      Then nothing is left of tenant "old"

    @needs.tenants @needs.hosts @needs.admin @waits @since.1.1
    Scenario: A slug and a hostname that are taken again at once stay with whoever took them
      Given a free tenant "old" with these custom hostnames:
        | shop.{domain old} |
      And host "shop.{domain old}" answers as tenant "old"
      When tenant "old" is deleted and tenant "new" made with its slug at once
      And the operator gives tenant "new" these custom hostnames instead:
        | shop.{domain old} |
      Then these hosts become tenant "new":
        | host              |
        | shop.{domain old} |
      When 3 s have passed
      Then host "{host new}" still answers as tenant "new"
      And host "shop.{domain old}" still answers as tenant "new"
