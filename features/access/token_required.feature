@core
Feature: Admin routes answer operators only
  An operator proves himself by a token of the Access team domain. There is no other way in.

  @ACC-001 @must
  Rule: ACC-001 No token, no entry
    No token → 403 `ACCESS_DENIED`.

    @needs.admin @needs.tenants @smoke
    Scenario: Without a token every admin route is denied
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And without a token every admin route of tenant "a" is denied
      And a "good" token opens the record of tenant "a"

    @needs.admin @needs.tenants
    Scenario Outline: A token elsewhere than where Access puts it is no token
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And with the header "<name>: <value>" every admin route of tenant "a" is denied
      And a "good" token opens the record of tenant "a"

      Examples:
        | name                                | value                  |
        | Cf-Access-Authenticated-User-Email  | operator@example.com   |
        | Cf-Access-Client-Id                 | 0123456789abcdef.access |
        | Authorization                       | Basic YWRtaW46YWRtaW4= |
        | X-Forwarded-User                    | admin                  |

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A good token elsewhere than where Access puts it is no token: <place>
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And a "good" token in the <place> is denied every admin route of tenant "a"
      And a "good" token opens the record of tenant "a"

      Examples:
        | place                |
        | Authorization header |
        | query                |

    @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A browser without a token is let in nowhere either (<name>)
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      Then with the header "<name>: <value>" every admin route of tenant "a" is denied

      Examples:
        | name           | value                                       |
        | Accept         | text/html,application/xhtml+xml,*/*;q=0.8   |
        | Sec-Fetch-Mode | navigate                                    |

  @ACC-002 @must
  Rule: ACC-002 A valid token opens
    Valid RS256 token in `Cf-Access-Jwt-Assertion` → the route answers.

    @needs.admin @needs.tenants
    Scenario: A valid token opens every admin route
      Given a free tenant "a"
      Then without a token every admin route of tenant "a" is denied
      And a "good" token opens every admin route of tenant "a"

    @needs.admin @needs.tenants
    Scenario: The host does not matter to operators
      Given a free tenant "a"
      And a free tenant "b"
      Then a "good" token opens the record of tenant "a" on the host of tenant "b"
      And a "good" token opens the record of tenant "a" on the host "nobody.example"
      And without a token the record of tenant "a" is denied on the host of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: A valid token opens, whatever else it says: <kind>
      Given a free tenant "a"
      Then without a token the record of tenant "a" is denied
      And a "<kind>" token opens the record of tenant "a"

      Examples:
        | kind               |
        | of-a-long-session  |
        | with-custom-claims |
        | of-this-second     |

    @needs.access @needs.admin @needs.variant.key-rotation @needs.fresh @waits @since.1.1
    Scenario: A backend that has never seen a key set opens to all of those who come at once
      Given the backend runs as key-rotation for this scenario alone
      Then 8 requests at once with the present key's token all open the list of tenants

  @ACC-014 @must
  Rule: ACC-014 Every form that Access gives a token is accepted
    `aud` may be an array or one string; a service token (with `common_name`, without `email` and `nbf`) is accepted.

    @needs.access @needs.admin @needs.tenants
    Scenario Outline: A token of the kind <kind> is accepted
      Given a free tenant "a"
      Then a "<kind>" token opens the record of tenant "a"
      And a "wrong-audience" token is denied every admin route of tenant "a"
      And a "<kind>" token opens every admin route of tenant "a"

      Examples:
        | kind                  |
        | good                  |
        | good-service-token    |
        | audience-as-string    |
        | audience-array-of-two |

  @ACC-021 @may
  Rule: ACC-021 The cookie is a second carrier
    `CF_Authorization` cookie as second carrier; if both are sent the header decides.

    @needs.access @needs.admin @needs.tenants
    Scenario: A valid token in the cookie opens
      Given a free tenant "a"
      And the target takes the cookie for tenant "a"
      Then a "good" token in the cookie opens the record of tenant "a"
      And a "good" token in the cookie among others opens the record of tenant "a"
      And an "expired" token in the cookie is denied the record of tenant "a"

    @needs.access @needs.admin @needs.tenants
    Scenario: If both are sent the header decides
      Given a free tenant "a"
      And the target takes the cookie for tenant "a"
      Then a "good" token with a "bad-signature" cookie opens the record of tenant "a"
      And an "expired" token with a "good" cookie is denied the record of tenant "a"
      And a "not-a-jwt" token with a "good" cookie is denied the record of tenant "a"
      And a "good" token with an "expired" cookie opens the record of tenant "a"
