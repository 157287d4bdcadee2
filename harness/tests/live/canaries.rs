//! Canary secrets, planted wherever a secret can be, and looked for in everything that leaves the program. Never trusts the program's own idea of
//! how a secret may be spelled.

use crate::server::{Played, Told, answer, manifest, moltproof, play};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use moltproof::report::Kind;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Canaries in the environment of what is launched, beside those of the manifest's own secret keys.
const PLAIN_COUNT: usize = 44;

/// Every byte of a text in hexadecimal, each with something before it.
fn each_byte(before: &str, text: &str) -> String {
    let bytes: Vec<String> = text
        .bytes()
        .map(|byte| format!("{before}{byte:02x}"))
        .collect();
    bytes.concat()
}

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
            each_byte("%", secret),
            each_byte("", secret),
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
        let any_case = [
            self.core.to_lowercase(),
            each_byte("", &self.core),
            each_byte("%", &self.core),
        ];
        let at = any_case
            .iter()
            .find_map(|form| lower.find(form.as_str()))
            .or_else(|| exact.iter().find_map(|form| text.find(form.as_str())))?;
        let text = if lower.len() == text.len() {
            text
        } else {
            lower
        };
        let from = (0..=at.saturating_sub(120))
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap();
        let to = (at..=(at + 120).min(text.len()))
            .rev()
            .find(|&to| text.is_char_boundary(to))
            .unwrap();
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
                let whole = json!({ "success": !from.is_multiple_of(3), "result": rows, "errors": [{ "code": 1, "message": some(9).join(" ") }] });
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
    let secrets: Vec<String> = (0..PLAIN_COUNT)
        .map(|number| format!("V{number} = \"${{SECRET_{number}}}\"\n"))
        .collect();
    let secrets = secrets.concat();
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

/// What the program said, and where.
type Said = Vec<(String, String)>;

/// Runs the contract with every kind of report, a store and a job summary, all below `written`.
fn run_with_all_reports(
    number: usize,
    path: &str,
    written: &Path,
    variables: &[(&str, &str)],
    said: &mut Said,
) {
    let below = |name: &str| written.join(name).display().to_string();
    let (reports, store) = (below(&format!("reports{number}")), below("store"));
    let github = format!("github={reports}.md");
    let mut args = vec!["run", "--id", "ERR-001,RL-013,ACC-001,SMK-003"];
    args.extend(["--target", path, "--budget-requests", "400"]);
    args.extend(["--report-dir", &reports, "--store", &store]);
    args.extend(["--report", &github, "--report", "statement"]);
    for kind in Kind::ALL {
        args.extend(["--report", kind.word()]);
    }
    args.extend(["--format", ["text", "json"][number]]);
    let run = moltproof(&args, variables);
    assert!(run.code == 1 || run.code == 3, "{} {}", run.code, run.err);
    assert!(
        run.out.contains("[redacted]"),
        "nothing was repeated: {}",
        run.out
    );
    keep(said, "run", run);
}

fn keep(said: &mut Said, what: &str, told: Told) {
    said.push((format!("{what}: standard output"), told.out));
    said.push((format!("{what}: standard error"), told.err));
}

/// A password in an address, and what a server prints that does not start.
fn refused_and_dead(password: &Canary, printed: &Canary, said: &mut Said) {
    let address = format!("http://user:{}@127.0.0.1:9", password.core);
    let refused = moltproof(&["run", "--target", &address], &[]);
    assert_eq!(refused.code, 2);
    keep(said, "an address", refused);
    let (_manifest, path) = manifest(
        "name = \"dies\"\n[launch]\ncommand = [\"sh\", \"-c\", 'echo \"$API_TOKEN\" >&2; exit 1']\n[launch.environment]\nAPI_TOKEN = \"${LAST}\"\n[variants.production]\n",
    );
    let args = ["run", "--id", "ERR-001", "--target", &path];
    let dead = moltproof(&args, &[("LAST", &printed.secret)]);
    keep(said, "a server that dies", dead);
}

fn leaks(said: &Said, planted: &[Canary]) -> Vec<String> {
    let mut leaks = Vec::new();
    for (place, text) in said {
        let lower = text.to_lowercase();
        let found = |canary: &Canary| {
            let around = canary.found(text, &lower)?;
            Some(format!("{place}: {:?}\n   …{around:?}…", canary.secret))
        };
        leaks.extend(planted.iter().find_map(found));
    }
    leaks
}

#[test]
fn no_planted_secret_leaves_the_program_in_any_output_file_or_argument() {
    const NAMES: [&str; 5] = ["OPERATOR_TOKEN", "SERVICE_SECRET", "D1", "KV", "GATEWAY"];
    let mut planted: Vec<Canary> = (0..PLAIN_COUNT + NAMES.len() + 3)
        .map(Canary::new)
        .collect();
    let repeated = &planted[..=PLAIN_COUNT + NAMES.len()];
    let plain = (0..PLAIN_COUNT).map(|number| format!("SECRET_{number}"));
    let names: Vec<String> = plain.chain(NAMES.map(str::to_owned)).collect();
    let variables: Vec<(&str, &str)> = names
        .iter()
        .zip(repeated)
        .map(|(name, canary)| (name.as_str(), canary.secret.as_str()))
        .collect();
    let server = echo(repeated);
    let written = tempfile::tempdir().unwrap();
    let secret_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        secret_file.path(),
        &planted[PLAIN_COUNT + NAMES.len()].secret,
    )
    .unwrap();
    let file = secret_file.path().display().to_string();
    let mut said = Said::new();
    let operators = [
        "token = \"${OPERATOR_TOKEN}\"",
        "service_token = { client_id = \"id\", secret = \"${SERVICE_SECRET}\" }",
    ];
    for (number, operator) in operators.into_iter().enumerate() {
        let (_manifest, path) = target(&server.base, written.path(), operator, &file);
        run_with_all_reports(number, &path, written.path(), &variables, &mut said);
        if number == 0 {
            let doctor = moltproof(&["doctor", "--target", &path], &variables);
            keep(&mut said, "doctor", doctor);
        }
    }
    let [.., password, printed] = planted.as_slice() else {
        panic!("no canaries");
    };
    refused_and_dead(password, printed, &mut said);
    let count = said.len();
    files(written.path(), &mut said);
    let least = 2 * (Kind::ALL.len() + 2) + 2;
    assert!(said.len() >= count + least, "files are missing");
    let seen = |end: &str| said.iter().any(|(place, _)| place.ends_with(end));
    assert!(
        seen("/argv"),
        "nobody looked at the arguments of the program"
    );
    assert!(seen("/moltproof.html") && seen(".statement.toml"));
    // The target's own secret, which nobody told us: its header alone says what it is.
    planted.push(Canary {
        core: "cookie-canary-4711".to_owned(),
        secret: String::new(),
    });
    assert!(planted.len() >= 50);
    let leaks = leaks(&said, &planted);
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
}
