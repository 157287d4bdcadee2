//! Canary secrets, planted wherever a secret can be, and looked for in everything that leaves the program. Never trusts the program's own idea of
//! how a secret may be spelled.

use crate::server::{Played, answer, manifest, moltproof, play};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use moltproof::report::Kind;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Canaries in the environment of what is launched, beside those of the manifest's own secret keys.
const PLAIN_COUNT: usize = 44;

/// One secret: a core that no spelling tears apart, among letters that every spelling changes.
#[derive(Clone)]
struct Canary {
    core: String,
    secret: String,
}

impl Canary {
    fn new(number: usize) -> Self {
        const AROUND: [(&str, &str); 8] = [
            ("", ""),
            ("p\"q&", "<r>'t"),
            ("a/b\\c", "=="),
            ("é", "ü€"),
            ("x*_`[", "]#y"),
            ("100%", "$HOME`id`"),
            ("A b", "C d"),
            ("first line of it\n", "\nlast line of it"),
        ];
        let random: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(14)
            .collect();
        let core = format!("cNry{number:02}{random}");
        let (before, after) = AROUND[number % AROUND.len()];
        Self {
            secret: format!("{before}{core}{after}"),
            core,
        }
    }

    /// As a target may repeat it.
    fn spelled(&self) -> Vec<String> {
        let secret = &self.secret;
        let quoted = json!(secret).to_string();
        vec![
            secret.clone(),
            quoted.clone(),
            json!(quoted).to_string(),
            json!(json!(quoted).to_string()).to_string(),
            secret.to_uppercase(),
            secret
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;"),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            STANDARD.encode(format!("u:{secret}")),
            STANDARD.encode(format!("us:{secret}; more")),
            STANDARD.encode(format!("use:{secret}")),
        ]
    }

    /// Where its core stands in a text, in any spelling.
    fn found(&self, text: &str, lower: &str) -> Option<String> {
        let inner = (0..3).map(|shift| {
            let shifted = format!("{}{}", &"\0\0\0"[..shift], self.core);
            let whole = URL_SAFE_NO_PAD.encode(shifted);
            whole[[0, 2, 3][shift]..whole.len() - 1].to_owned()
        });
        let exact: Vec<String> = inner.collect();
        let hex = self.core.bytes().map(|byte| format!("{byte:02x}"));
        let percent = self.core.bytes().map(|byte| format!("%{byte:02x}"));
        let any_case = [self.core.to_lowercase(), hex.collect(), percent.collect()];
        let at = any_case
            .iter()
            .find_map(|form| lower.find(form.as_str()))
            .or_else(|| exact.iter().find_map(|form| text.find(form.as_str())))?;
        let text = if lower.len() == text.len() {
            text
        } else {
            lower
        };
        let from = text.floor_char_boundary(at.saturating_sub(120));
        let to = text.ceil_char_boundary((at + 120).min(text.len()));
        Some(text[from..to].to_owned())
    }
}

/// A target, and Cloudflare's API, that repeat every secret and every header they are sent, each time in other places and spellings.
fn echo(canaries: &[Canary]) -> Played {
    let spelled: Arc<Vec<String>> = Arc::new(canaries.iter().flat_map(Canary::spelled).collect());
    let turn = Arc::new(AtomicUsize::new(0));
    play(move |seen| {
        let from = turn.fetch_add(1, Ordering::Relaxed);
        let spelled = Arc::clone(&spelled);
        let some = move |count: usize| -> Vec<String> {
            let all = spelled.iter().cycle().skip(from * 31 % spelled.len());
            all.take(count).cloned().collect()
        };
        let told = json!({ "headers": seen.headers, "path": seen.path, "secrets": some(40) });
        async move {
            let in_header = |text: &String| text.is_ascii() && !text.contains(['\n', '\r']);
            let fit = some(60).into_iter().find(in_header).unwrap_or_default();
            let headers = [
                ("content-type", "application/json"),
                ("X-ECHO", fit.as_str()),
                ("set-cookie", "session=cookie-canary-4711"),
                ("x-request-id", fit.as_str()),
            ];
            if seen.path.starts_with("/cloudflare") {
                let rows =
                    json!([{ "results": [told, { "id": some(3).join(" ") }], "success": true }]);
                let whole = json!({ "success": from % 3 > 0, "result": rows, "errors": [{ "code": 1, "message": some(9).join(" ") }] });
                return answer(200, &headers, &whole.to_string());
            }
            let status = [200, 201, 404, 500, 403][from % 5];
            let body = match from % 3 {
                0 => told.to_string(),
                1 => json!({ "error": { "code": some(1)[0], "message": some(9).join(" ") } })
                    .to_string(),
                _ => format!("<p>{}</p>", some(30).join("\n")),
            };
            answer(status, &headers, &body)
        }
    })
}

/// Everything that was written below a folder, and where.
fn files(folder: &Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            out.push((path.display().to_string(), text));
        }
    }
}

fn target(base: &str, folder: &Path, operator: &str, file: &str) -> (tempfile::TempDir, String) {
    let secrets: String = (0..PLAIN_COUNT)
        .map(|number| format!("V{number} = \"${{SECRET_{number}}}\"\n"))
        .collect();
    let script = format!(
        "for secret in \"$SECRET_0\" \"$SECRET_1\" \"$SECRET_2\" \"$SECRET_9\"; do echo \"$secret\"; echo \"$secret\" >&2; done; tr '\\0' ' ' < /proc/$PPID/cmdline >> {}/argv; exec sleep 60",
        folder.display()
    );
    manifest(&format!(
        r#"name = "echo"
app_domain = "moltworker.example"
[launch]
command = ["false"]
[launch.environment]
{secrets}
A = "${{OPERATOR_TOKEN}}"
B = "${{SERVICE_SECRET}}"
C = "${{file:{file}}}"
[variants.production]
address = "{base}"
[operator]
{operator}
[observe]
d1 = {{ kind = "rest", account = "acct", database = "db", api_token = "${{D1}}", base_url = "{base}/cloudflare", writable = true }}
kv = {{ kind = "rest", account = "acct", namespace = "ns", api_token = "${{KV}}", base_url = "{base}/cloudflare", writable = true }}
ai_gateway = {{ kind = "logs-rest", account = "acct", gateway = "gw", api_token = "${{GATEWAY}}", base_url = "{base}/cloudflare" }}
logs = {{ kind = "tail", command = ["sh", "-c", '''{script}'''] }}
"#
    ))
}

#[test]
fn no_planted_secret_leaves_the_program_in_any_output_file_or_argument() {
    let names = [
        "OPERATOR_TOKEN",
        "SERVICE_SECRET",
        "D1",
        "KV",
        "GATEWAY",
        "FILE",
    ];
    let canaries: Vec<Canary> = (0..PLAIN_COUNT + names.len() + 2)
        .map(Canary::new)
        .collect();
    let mut variables: Vec<(String, String)> = names
        .iter()
        .zip(&canaries[PLAIN_COUNT..])
        .map(|(name, canary)| ((*name).to_owned(), canary.secret.clone()))
        .collect();
    for (number, canary) in canaries[..PLAIN_COUNT].iter().enumerate() {
        variables.push((format!("SECRET_{number}"), canary.secret.clone()));
    }
    let server = echo(&canaries[..PLAIN_COUNT + names.len()]);
    let written = tempfile::tempdir().unwrap();
    let secret_file = tempfile::NamedTempFile::new().unwrap();
    let of_file = &canaries[PLAIN_COUNT + names.len() - 1].secret;
    std::fs::write(secret_file.path(), of_file).unwrap();
    let file = secret_file.path().display().to_string();
    let mut told: Vec<(String, String)> = Vec::new();
    let mut planted = canaries.clone();
    planted.push(Canary {
        core: "cookie-canary-4711".to_owned(),
        secret: String::new(),
    });
    let operators = [
        "token = \"${OPERATOR_TOKEN}\"",
        "service_token = { client_id = \"id\", secret = \"${SERVICE_SECRET}\" }",
    ];
    for (number, operator) in operators.into_iter().enumerate() {
        let (_manifest, path) = target(&server.base, written.path(), operator, &file);
        let reports = written.path().join(format!("reports{number}"));
        let (reports, summary) = (
            reports.display().to_string(),
            format!("{}.md", reports.display()),
        );
        let store = written.path().join("store").display().to_string();
        let github = format!("github={summary}");
        let mut args = vec![
            "run",
            "--id",
            "ERR-001,RL-013,ACC-001,SMK-003",
            "--target",
            &path,
            "--budget-requests",
            "400",
        ];
        args.extend([
            "--report-dir",
            &reports,
            "--report",
            &github,
            "--store",
            &store,
        ]);
        for kind in Kind::ALL {
            args.extend(["--report", kind.word()]);
        }
        args.extend(["--format", ["text", "json"][number]]);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        let run = moltproof(&args, &variables);
        assert!(run.code == 1 || run.code == 3, "{} {}", run.code, run.err);
        assert!(
            run.out.contains("[redacted]"),
            "nothing was repeated: {}",
            run.out
        );
        let mut outputs = vec![("run", run)];
        if number == 0 {
            outputs.push((
                "doctor",
                moltproof(&["doctor", "--target", &path], &variables),
            ));
        }
        for (what, output) in outputs {
            told.push((format!("{what} {number}: standard output"), output.out));
            told.push((format!("{what} {number}: standard error"), output.err));
        }
    }
    // A password in an address, and the output of a server that does not start.
    let address = format!(
        "http://user:{}@127.0.0.1:9",
        canaries[PLAIN_COUNT + names.len()].core
    );
    let refused = moltproof(&["run", "--target", &address], &[]);
    assert_eq!(refused.code, 2);
    told.push(("an address".to_owned(), refused.err));
    let (_manifest, path) = manifest(
        "name = \"dies\"\n[launch]\ncommand = [\"sh\", \"-c\", 'echo \"$API_TOKEN\" >&2; exit 1']\n[launch.environment]\nAPI_TOKEN = \"${LAST}\"\n[variants.production]\n",
    );
    let last = &canaries[PLAIN_COUNT + names.len() + 1];
    let dead = moltproof(
        &["run", "--id", "ERR-001", "--target", &path],
        &[("LAST", &last.secret)],
    );
    told.push(("a server that dies: standard output".to_owned(), dead.out));
    told.push(("a server that dies: standard error".to_owned(), dead.err));
    let count = told.len();
    files(written.path(), &mut told);
    assert!(
        told.len() >= count + 2 * (Kind::ALL.len() + 1) + 3,
        "files are missing"
    );
    assert!(planted.len() >= 50);
    let mut leaks = Vec::new();
    for (place, text) in &told {
        let lower = text.to_lowercase();
        for canary in &planted {
            if let Some(around) = canary.found(text, &lower) {
                leaks.push(format!("{place}: {:?}\n   …{around:?}…", canary.secret));
            }
        }
    }
    leaks.dedup_by_key(|leak| leak.split(':').next().map(str::to_owned));
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
}
