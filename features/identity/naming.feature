@core
Feature: A sandbox id serves as a name everywhere

  @ID-009 @must
  Rule: ID-009 A sandbox id is a valid prefix, label and id
    It is usable as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id (1 to 63 characters, no leading or trailing hyphen, no reserved word).

    @needs.admin
    Scenario: No sandbox id breaks a rule of the places that take it
      When tenants are created whose hash begins with a zero and has another small byte
      And a tenant is created that leaves its id to the backend
      Then every sandbox id shown is usable as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id

    @needs.tenants @needs.admin @needs.r2 @needs.kv-write
    Scenario: A running gateway uses it as prefix
      Given a free tenant "a"
      When the gateway of tenant "a" is started
      Then the bucket holds objects below the sandbox id of tenant "a"
      And an entry below the sandbox id of tenant "a" can be kept in the registry's namespace

    @needs.tenants @needs.admin @since.1.1
    Scenario: At every route, in every state of the gateway
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up at every route, in every state of its gateway
      Then every sandbox id shown is usable as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id

    @needs.tenants @needs.admin @needs.d1 @since.1.1
    Scenario: Of a tenant that is made again with the id of one that is gone
      Given a free tenant "a"
      When the gateway of tenant "a" is started
      And the operator removes tenant "a" and makes one with its id and nothing else of it
      And the sandbox id of tenant "a" is looked up at every route, in every state of its gateway
      Then every sandbox id shown is usable as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id

    @needs.variant.dev-mode @needs.tenants @needs.admin @needs.d1 @since.1.1
    Scenario: In development no sandbox id breaks one either
      Given the backend runs as dev-mode
      And a free tenant "a"
      When the sandbox id of tenant "a" is looked up wherever it shows
      Then every sandbox id shown is usable as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id
