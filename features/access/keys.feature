@core
Feature: Keys come and go without a restart
  The team domain changes its keys every few weeks, and sometimes it is out of reach.

  @ACC-015 @must
  Rule: ACC-015 The key set of now decides
    Keys are matched by `kid`, never by position; a rotated-in key is picked up without restart, and a rotated-out key is refused once the key set no longer lists it and the cache time has passed.

    @needs.access @needs.admin @needs.variant.key-rotation @waits
    Scenario: A key opens while the key set lists it, wherever it stands there
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      When a key "one" is rotated in
      Then key "one" opens the list of tenants in due time
      And the present key still opens the list of tenants
      And the present key's token under the id of key "one" opens nothing
      When key "one" is rotated out
      Then key "one" opens nothing once the cache time has passed
      And the present key still opens the list of tenants

    @needs.access @needs.admin @needs.variant.key-rotation @waits @since.1.1
    Scenario: A listed key vouches for nothing but its own id, wherever it stands in the set
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      When a key "one" is rotated in
      Then key "one" opens the list of tenants in due time
      And a token under an unknown, an empty or no key id opens nothing, whichever listed key has signed it
      And the present key still opens the list of tenants

    @needs.access @needs.admin @needs.variant.key-rotation @waits @since.1.1
    Scenario: A key that is listed no longer is refused, though unknown key ids have the key set fetched meanwhile
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      When a key "one" is rotated in
      Then key "one" opens the list of tenants in due time
      When key "one" is rotated out
      Then key "one" opens nothing once the cache time has passed, while unknown key ids are asked for again and again
      And the present key still opens the list of tenants

    @needs.access @needs.admin @needs.variant.key-rotation @waits @since.1.1
    Scenario: A key whose token came before it was listed is picked up as well
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      When a token of key "early", which the key set does not list yet, opens nothing
      And the key set begins to list key "early"
      Then key "early" opens the list of tenants in due time
      And the present key still opens the list of tenants

  @ACC-016 @must
  Rule: ACC-016 Without key set, closed, and back by itself
    With the key set unreachable, no admin route opens (403 or 503), a cached valid key goes on working, and recovery needs no restart. Unknown `kid`s cannot make the backend hammer the key set (cooldown).

    @needs.access @needs.admin @needs.variant.key-rotation @waits
    Scenario Outline: While the key set is <state>, cached keys work and unknown ones do not
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      And the key set has just been fetched
      When the key set is <state>
      And a key "late" is rotated in
      Then key "late" opens nothing, and the present key goes on opening meanwhile
      And nothing opens without a token or with a "bad-signature" token
      When the key set is reachable again
      Then key "late" opens the list of tenants in due time
      And the present key still opens the list of tenants

      Examples:
        | state       |
        | closed      |
        | unavailable |

      @slow
      Examples: a key set that hangs is given up only after the backend's own patience
        | state   |
        | hanging |

    @needs.access @needs.admin @needs.variant.key-rotation @needs.fresh @waits
    Scenario Outline: A backend that has never seen a key set is closed, and opens when there is one: <state>
      Given the backend runs as key-rotation for this scenario alone
      And the key set is <state>
      Then the present key opens nothing yet
      And nothing opens without a token or with an "alg-none" token
      When the key set is reachable again
      Then the present key opens the list of tenants in due time

      Examples:
        | state       |
        | closed      |
        | unavailable |

    @needs.access @needs.admin @needs.variant.key-rotation @waits @since.1.1
    Scenario: A key set that was out of reach for many fetches is fetched again
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      When the key set is unavailable
      And unknown key ids are asked for 12 times more, each when the cooldown is over
      And the key set is reachable again
      And a key "late" is rotated in
      Then key "late" opens the list of tenants in due time

    @needs.access @needs.admin @needs.variant.key-rotation @waits
    Scenario: Unknown key ids do not hammer the key set, in reach or out of it
      Given the backend runs as key-rotation for this scenario alone
      And the present key opens the list of tenants
      Then a flood of unknown key ids causes no more fetches than the cooldown allows
      And the present key still opens the list of tenants
      When the key set is unavailable
      And the cooldown is over
      Then a flood of unknown key ids causes no more fetches than the cooldown allows
      When the key set is reachable again
      And a key "one" is rotated in
      Then key "one" opens the list of tenants in due time
