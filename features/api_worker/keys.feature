@api-worker @since.1.1
Feature: API keys
  A key is a secret of its owner, and of nobody else.

  @API-002 @must
  Rule: API-002 Keys
    API keys are stored as hashes only; the plain key is shown once and found in no cell, log, report or backup in any encoding; permissions, expiry and quotas are enforced; revocation holds for the next request.

    Scenario: A key is accepted until the instant before it expires and refused from that instant on
      Given the API worker that the target offers, with users and models of this scenario
      Then a key is accepted until the instant before it expires and refused from that instant on

    @smoke
    Scenario: A key that was in use is refused by the next request after its revocation
      Given the API worker that the target offers, with users and models of this scenario
      Then a key that was in use is refused by the next request after its revocation

    Scenario: Of requests at once none that begins after the revocation is served
      Given the API worker that the target offers, with users and models of this scenario
      Then of requests at once none that begins after the revocation is served

    Scenario: What was revoked stays so when the clock goes back
      Given the API worker that the target offers, with users and models of this scenario
      Then what was revoked stays so when the clock goes back

    Scenario: After a rotation the old key is refused and the new one does what the old one did
      Given the API worker that the target offers, with users and models of this scenario
      Then after a rotation the old key is refused and the new one does what the old one did

    Scenario: The sessions of a key end with it: by revocation, by rotation and by expiry
      Given the API worker that the target offers, with users and models of this scenario
      Then the sessions of a key end with it: by revocation, by rotation and by expiry

    Scenario: Each new key is another random secret
      Given the API worker that the target offers, with users and models of this scenario
      Then each new key is another random secret

    Scenario: A key is shown by the answer that makes it and by no other, errors and audit included
      Given the API worker that the target offers, with users and models of this scenario
      Then a key is shown by the answer that makes it and by no other, errors and audit included

    Scenario: The database holds the hash of a key
      Given the API worker that the target offers, with users and models of this scenario
      Then the database holds the hash of a key

    Scenario: No cell of the database holds a key or a part of it in any encoding
      Given the API worker that the target offers, with users and models of this scenario
      Then no cell of the database holds a key or a part of it in any encoding

    Scenario: No byte of the database file and its log holds a key, so that no backup does
      Given the API worker that the target offers, with users and models of this scenario
      Then no byte of the database file and its log holds a key, so that no backup does

    Scenario: No log line holds a key or a part of it, on success and on error
      Given the API worker that the target offers, with users and models of this scenario
      Then no log line holds a key or a part of it, on success and on error

    Scenario: No event that a webhook is told of holds a key or a part of it
      Given the API worker that the target offers, with users and models of this scenario
      Then no event that a webhook is told of holds a key or a part of it

    Scenario: A key does what its permissions say and is refused everything else
      Given the API worker that the target offers, with users and models of this scenario
      Then a key does what its permissions say and is refused everything else

    Scenario: A chat beyond a key's quota is refused and never reaches a model
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat beyond a key's quota is refused and never reaches a model

    Scenario: A quota lets exactly as many chats pass when they come at once
      Given the API worker that the target offers, with users and models of this scenario
      Then a quota lets exactly as many chats pass when they come at once

    Scenario: A chat that is refused uses nothing of a key's quota
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat that is refused uses nothing of a key's quota

    Scenario: Nothing but the whole key is accepted: neither its hash nor its prefix nor another's half
      Given the API worker that the target offers, with users and models of this scenario
      Then nothing but the whole key is accepted: neither its hash nor its prefix nor another's half

    Scenario: A key or a session that breaks a rule is refused, and nothing is left of it
      Given the API worker that the target offers, with users and models of this scenario
      Then a key or a session that breaks a rule is refused, and nothing is left of it

    Scenario: Whoever names a key or a session that is nobody's, or another user's, changes nothing
      Given the API worker that the target offers, with users and models of this scenario
      Then whoever names a key or a session that is nobody's, or another user's, changes nothing

    Scenario: In a drawn sequence each key is let in, refused and counted as a model has it
      Given the API worker that the target offers, with users and models of this scenario
      Then in a drawn sequence each key is let in, refused and counted as a model has it

    Scenario: A session that another key of its user ends is refused from then on
      Given the API worker that the target offers, with users and models of this scenario
      Then a session that another key of its user ends is refused from then on
