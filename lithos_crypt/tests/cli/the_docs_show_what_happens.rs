use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository;
use crate::support::{PROGRAM, Terminal, feed};
use crate::transcript::{self, Step};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/secrets.md");
const USERS: [&str; 3] = ["ada", "ben", "web1"];
/// What Ada types where she is asked.
const TYPED: &str = "xkcd-936-horse";

/// The homes of the page's people, and a repository that they share.
struct Stage {
    root: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let stage = Stage {
            root: tempfile::tempdir().unwrap(),
        };
        for (user, name) in USERS.into_iter().zip(["Ada", "Ben", "root"]) {
            let home = stage.home(user);
            fs::create_dir(&home).unwrap();
            let text = format!(
                "[user]\nname = {name}\nemail = {user}@example.org\n[init]\ndefaultBranch = main\n"
            );
            fs::write(home.join(".gitconfig"), text).unwrap();
            fs::write(home.join(".cwd"), path_text(&home)).unwrap();
        }
        let shared = stage.root.path().join("git/shop.git");
        let init = ["init", "-q", "--bare", "-b", "main"];
        let made = Command::new("git").args(init).arg(shared).status().unwrap();
        assert!(made.success());
        stage
    }

    fn home(&self, user: &str) -> PathBuf {
        self.root.path().join(user)
    }

    /// A user's command, with the page's names of directories; what it printed.
    fn run(&self, step: &Step) -> String {
        let root = path_text(self.root.path());
        let home = self.home(&step.who);
        let command = step.command.replace("/home/", &format!("{root}/"));
        let script = home.join(".step");
        let text = format!("cd \"$(cat ~/.cwd)\" || exit\n{command}\npwd > ~/.cwd\n");
        fs::write(&script, text).unwrap();
        let programs = Path::new(PROGRAM).parent().unwrap();
        let path = format!("{}:{}", path_text(programs), std::env::var("PATH").unwrap());
        let prepare = |command: &mut Command| {
            command.env_clear().env("PATH", &path).env("HOME", &home);
            command
                .env("NO_COLOR", "1")
                .env("TERM", "xterm")
                .env("LC_ALL", "C.UTF-8");
        };
        let line = format!("bash {} 2>&1", path_text(&script));
        let asks = step
            .output
            .first()
            .is_some_and(|line| line.starts_with("value (hidden):"));
        let printed = if asks {
            let mut terminal = Terminal::open(&line, |command| {
                prepare(command);
                command
            });
            terminal.answer("value (hidden): ", TYPED);
            terminal.answer("the same again: ", TYPED);
            terminal.finish().1
        } else {
            let mut command = Command::new("bash");
            prepare(command.args(["-c", &line]));
            feed(&mut command, b"").text().to_owned()
        };
        printed.replace('\r', "").replace(&root, "/home")
    }
}

fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// As the page shows it: sealed boxes and keys are long.
fn shortened(line: &str) -> String {
    let words = line
        .split(' ')
        .map(|word| match word.split(':').collect::<Vec<_>>()[..] {
            ["v2", key, namespace, secret, _] => format!("v2:{key}:{namespace}:{secret}:…"),
            _ if word.starts_with("AAAAC3Nza") => "AAAA…".to_owned(),
            _ => word.to_owned(),
        });
    words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// With `LITHOS_WRITE_DOCS=1`, the page is written anew from what happens.
#[test]
fn of_the_whole_life_of_a_secret() {
    if repository::repository().is_none() {
        return;
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let steps = transcript::steps(&page, &USERS);
    assert!(steps.len() > 40, "only {} commands are shown", steps.len());
    let stage = Stage::new();
    let real = steps.iter().map(|step| stage.run(step));
    let real: Vec<String> = real.collect();
    if std::env::var_os("LITHOS_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(PAGE, rewritten(&page, &steps, &real)).unwrap();
        return;
    }
    let mut known = Vec::new();
    for (step, real) in steps.iter().zip(&real) {
        let lines: Vec<_> = real.lines().collect();
        let same = |(shown, real): (&String, &&str)| transcript::matches(shown, real, &mut known);
        assert!(
            step.output.len() == lines.len() && step.output.iter().zip(&lines).all(same),
            "docs/secrets.md, line {}: `{}` prints\n{real}and the page shows\n{}",
            step.line + 1,
            step.command,
            step.output.join("\n"),
        );
        assert!(
            !real.contains(TYPED) || step.command.contains(" get "),
            "{real}"
        );
    }
}

/// The page with what was printed in the place of what it showed.
fn rewritten(page: &str, steps: &[Step], real: &[String]) -> String {
    let lines: Vec<_> = page.lines().collect();
    let (mut new, mut next) = (Vec::new(), 0);
    for (step, real) in steps.iter().zip(real) {
        let end = step.line + step.command.lines().count();
        new.extend(lines[next..end].iter().map(|line| (*line).to_owned()));
        new.extend(real.lines().map(shortened));
        next = end + step.output.len();
    }
    new.extend(lines[next..].iter().map(|line| (*line).to_owned()));
    new.join("\n") + "\n"
}

/// A page that shows something else is found out.
#[test]
fn and_a_page_that_shows_something_else_is_found_out() {
    let page = "```console\nada$ echo 2 secrets\n3 secrets\n```\n\n```yaml\nada$ no\n```\n";
    let steps = transcript::steps(page, &USERS);
    assert_eq!(steps.len(), 1);
    let real = Stage::new().run(&steps[0]);
    assert!(!transcript::matches(
        &steps[0].output[0],
        real.trim_end(),
        &mut Vec::new()
    ));
}
