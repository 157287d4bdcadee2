@core
Feature: A refusal tells nothing
  Who is refused learns where to sign in, and neither which check failed nor what there is behind the door.

  @ACC-013 @must
  Rule: ACC-013 All refusals look alike
    All refusals look alike: same status, code and message; nothing says which check failed. `details` has `login_url` and `required_scope: "admin"`.

    @needs.access @needs.admin @needs.tenants
    Scenario: Every bad token gets the answer that no token gets
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And every bad token is refused the record of tenant "a" as no token is
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: Every bad service token gets that answer as well
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And every bad service token is refused the record of tenant "a" as no token is
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants
    Scenario: A refusal says where to sign in and what for
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a refusal of the record of tenant "a" names a login address and the scope "admin"

  @ACC-018 @must
  Rule: ACC-018 No cache keeps an admin answer
    Admin responses carry `Cache-Control: no-store`.

    @needs.access @needs.admin @needs.tenants
    Scenario: Every admin answer forbids storing
      Then every admin answer forbids storing
        | answer    |
        | created   |
        | found     |
        | listed    |
        | routing   |
        | usage     |
        | gateway   |
        | started   |
        | changed   |
        | conflict  |
        | invalid   |
        | no method |
        | no route  |
        | denied    |
        | deleted   |
        | not found |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: Usage of the past is not stored either
      Then every admin answer forbids storing
        | answer            |
        | created           |
        | usage             |
        | usage of the past |

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario: Nor is an answer that says that nothing has changed, or a head alone
      Given a free tenant "a"
      Then every admin answer about tenant "a" forbids storing when it is asked for again, on conditions or for its head
        | answer  |
        | found   |
        | listed  |
        | routing |
        | usage   |
        | gateway |

  @ACC-019 @must
  Rule: ACC-019 A refusal does not say what exists
    A refused admin request does not reveal whether a tenant exists.

    @needs.access @needs.admin @needs.tenants
    Scenario: Present and absent tenants are refused alike
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And on every admin route an absent tenant is refused as tenant "a" is
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants
    Scenario: Taken and free slugs are refused alike
      Given a free tenant "a"
      Then creating a tenant with the slug of tenant "a" is refused as with a free one
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @needs.hosts @since.1.1
    Scenario: Hosts of tenants and of nobody are refused alike
      Given a free tenant "a" that is called at a custom hostname
      Then a "good" token opens the record of tenant "a"
      When every admin route is called without token at each host of tenant "a", and then at one of nobody
      Then each pair of answers is alike
