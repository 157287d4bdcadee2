//! A target that a manifest describes and that insists on https, judged over TLS. Never switches verification off.

use super::moltproof;
use std::path::Path;

/// A manifest of the reference as a server that trusts the authorities in a file.
fn tls_manifest(folder: &Path, control: &str, trusted: &str) -> String {
    let program = env!("CARGO_BIN_EXE_moltproof");
    let text = format!(
        r#"
name = "reference over TLS"
app_domain = "moltworker.example"
[launch]
command = ["{program}", "serve", "--listen", "127.0.0.1:{{port}}"]
[launch.environment]
SSL_CERT_FILE = "{trusted}"
[launch.variables]
TENANT_DB = "{{state}}/d1.sqlite"
TENANT_KV = "{{state}}/kv.sqlite"
MOLTBOT_BUCKET = "{{state}}/r2"
APP_DOMAIN = "{{app_domain}}"
CF_ACCESS_TEAM_DOMAIN = "{{team_host}}"
CF_ACCESS_AUD = "{{audience}}"
AI_GATEWAY_BASE_URL = "{{ai_gateway_base_url}}"
CLOUDFLARE_AI_GATEWAY_API_KEY = "{{ai_gateway_key}}"
[variants.production]
[control]
ai_gateway = true
access = true
{control}
"#
    );
    let file = folder.join("target.toml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_target_that_insists_on_https_is_judged_when_it_trusts_the_doubles_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let run = |file: &str, code: i32| {
        let output = moltproof()
            .args([
                "run",
                "--quiet",
                "--id",
                "ACC-003,AIG-001",
                "--target",
                file,
            ])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    };
    let said = run(&tls_manifest(folder.path(), "tls = true", "{ca_file}"), 0);
    assert!(said.contains("MUST: 3 of 3 passed"), "{said}");
    let other = folder.path().join("other.pem");
    std::fs::write(&other, "").unwrap();
    let other = other.display().to_string();
    let said = run(&tls_manifest(folder.path(), "tls = true", &other), 3);
    assert!(said.contains("cannot create tenant"), "{said}");
    let said = run(&tls_manifest(folder.path(), "", "{ca_file}"), 2);
    assert!(said.contains("needs [control] tls = true"), "{said}");
}
