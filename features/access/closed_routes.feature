@core
Feature: Every admin route is closed
  Whatever way a path or a method is written, nobody passes without a token.

  @ACC-017 @must
  Rule: ACC-017 Each route, each method, each spelling
    Every admin route is closed: each route, each method, with trailing slash, doubled slash, upper case, percent-encoding and dot segments.

    @needs.access @needs.admin @needs.tenants
    Scenario: No method opens an admin route without a token
      Given an enterprise tenant "a"
      Then a "good" token opens the record of tenant "a"
      And without a token no method opens an admin route of tenant "a"
      And tenant "a" is as it was, and nobody made another
      And a "good" token opens every admin route of tenant "a"

    @needs.access @needs.admin @needs.tenants @needs.hosts
    Scenario Outline: No spelling opens an admin route without a token: <family>
      Given an enterprise tenant "a"
      Then a "good" token opens the record of tenant "a"
      And without a token no "<family>" spelling opens an admin route of tenant "a"
      And tenant "a" is as it was, and nobody made another
      And a "good" token opens every admin route of tenant "a"

      Examples:
        | family                 |
        | slashes                |
        | upper case             |
        | percent-encoding       |
        | double encoding        |
        | dot segments           |
        | through a public route |
        | suffixes               |
        | backslashes            |
        | absolute form          |

    @needs.access @needs.admin @needs.tenants
    Scenario: What lies below the admin paths is closed, routes or not
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And without a token these paths are denied
        | path                       |
        | {admin}/                   |
        | {admin}/nothing-here       |
        | {admin}/tenants/           |
        | {admin}/tenants/%00        |
        | {admin}/a/b/c/d/e          |
        | {admin}/tenants?limit=1    |
        | /_admin/                   |
        | /_admin/nothing-here       |
        | /_admin/index.html         |
        | /_admin/api/tenants        |

    @needs.access @needs.admin @needs.tenants @needs.hosts
    Scenario: No header turns a request into an admin request
      Given an enterprise tenant "a"
      Then a "good" token opens the record of tenant "a"
      And without a token no override header opens an admin route of tenant "a"
      And tenant "a" is as it was, and nobody made another

    @needs.access @needs.admin @needs.tenants @needs.hosts @since.1.1
    Scenario: No host opens an admin route without a token
      Given an enterprise tenant "a" with these custom hostnames:
        | shop.{domain a} |
      Then a "good" token opens the record of tenant "a"
      And without a token no admin route of tenant "a" opens on any of these hosts
        | the subdomain of tenant "a"     |
        | the custom domain of tenant "a" |
        | the subdomain of nobody         |
        | the bare app domain             |
        | localhost                       |
      And tenant "a" is as it was, and nobody made another
