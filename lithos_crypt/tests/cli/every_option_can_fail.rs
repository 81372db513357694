use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::desk::Desk;
use crate::repository;
use crate::support::{Run, key, seal};

/// A value that no message may hold.
const VALUE: &str = "plain-value-of-ada";

/// One way to use an option wrongly: `command option` or `command position`; the
/// arguments after the command; the exit code, and what is said.
type Case = (&'static str, &'static [&'static str], i32, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("keygen file", &["alpha"], 1, "cannot make `alpha"),
    ("keygen file", &["no/where"], 1, "cannot write `no/where"),
    ("keygen --comment", &["-C", "a", "-C", "b", "new"], 2, "`--comment <TEXT>` is given more than once"),
    ("encrypt --key-file", &["-k", "missing.pub"], 1, "cannot read public key `missing.pub`"),
    ("encrypt --key-file", &["-k", "alpha"], 1, "cannot use public key `alpha`"),
    ("encrypt --namespace", &["-k", "alpha.pub", "-n", "a b"], 2, "the value of `--namespace <NS>`"),
    ("encrypt --data", &["-k", "alpha.pub", "-d", "plain-value-of-ada", "--data-file", "s.yaml"], 2, "does not go with"),
    ("encrypt --data-file", &["-k", "alpha.pub", "--data-file", "missing"], 1, "cannot read value `missing`"),
    ("encrypt --exact", &["-k", "alpha.pub", "--exact=plain-value-of-ada"], 2, "cannot understand the command line"),
    ("set file", &["broken.txt", "A", "-k", "alpha.pub", "--generate", "24"], 1, "cannot read `broken.txt`"),
    ("set file", &["anchored.yaml", "A", "--generate", "24"], 1, "cannot change `anchored.yaml`"),
    ("set file", &["no/where.yaml", "A", "--generate", "24"], 1, "cannot read recipients file `no/where.yaml`"),
    ("set name", &["s.yaml", "A B", "--generate", "24"], 1, "cannot change `s.yaml`: the name has other characters"),
    ("set name", &["two.yaml", "A", "--generate", "24"], 1, "cannot tell which A of `two.yaml` is meant"),
    ("set --key-file", &["s.yaml", "A", "-k", "nobody"], 1, "cannot find a key or group nobody"),
    ("set --key-file", &["s.yaml", "A", "-k", "stranger.pub"], 1, "does not list it, so nobody may hold it"),
    ("set --namespace", &["s.yaml", "A", "-n", "third"], 1, "cannot seal for the namespace `third`"),
    ("set --data-file", &["s.yaml", "A", "--data-file", "missing"], 1, "cannot read value `missing`"),
    ("set --type", &["s.yaml", "A", "--type", "x", "--generate", "24"], 2, "the value of `--type <TYPE>`"),
    ("set --generate", &["s.yaml", "A", "--generate", "0"], 2, "the value of `--generate <LEN>`"),
    ("set --generate", &["s.yaml", "A", "--generate", "9", "--data-file", "alpha"], 2, "does not go with"),
    ("set --exact", &["s.yaml", "A", "--exact", "--generate", "9"], 2, "does not go with"),
    ("set --list-add", &["plain.yaml", "A", "--list-add", "--generate", "24"], 1, "cannot keep what stands under A of `plain.yaml`"),
    ("set --in", &["s.yaml", "A", "--in", "environ"], 2, "the value of `--in <SECTION>`: it is none of secret-environ"),
    ("ls paths", &["missing"], 1, "cannot read file `missing`"),
    ("ls --json", &["--json", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("inspect inputs", &["missing"], 1, "cannot read"),
    ("inspect --json", &["--json", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("diff a", &["missing", "s.yaml"], 1, "cannot"),
    ("diff b", &["s.yaml", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("diff --exit-code", &["--exit-code", "s.yaml", "t.yaml"], 1, ""),
    ("diff --json", &["--json", "s.yaml", "no-revision"], 1, "cannot"),
    ("history file", &["new.yaml", "A"], 1, "cannot find the secret A in `new.yaml`"),
    ("history name", &["s.yaml", "NONE"], 1, "cannot find the secret NONE in `s.yaml`"),
    ("history --in", &["two.yaml", "A", "--in", "environ"], 2, "the value of `--in <SECTION>`"),
    ("history --in", &["two.yaml", "A", "--in", "default-secrets"], 1, "cannot find the secret A"),
    ("history name", &["two.yaml", "A"], 1, "cannot tell which A of `two.yaml` is meant"),
    ("history --json", &["--json", "s.yaml", "NONE"], 1, "cannot find the secret NONE"),
    ("who-can-read name", &["NONE", "s.yaml"], 1, "cannot find the secret NONE"),
    ("who-can-read paths", &["A", "missing"], 1, "cannot read file `missing`"),
    ("who-can-read --json", &["--json", "NONE", "s.yaml"], 1, "cannot find the secret NONE"),
    ("check paths", &["missing"], 1, "cannot read file `missing`"),
    ("check --require", &["s.yaml", "--require", "NONE"], 1, "cannot accept the secrets: 1 problem"),
    ("check --key-file", &["s.yaml", "-k", "gamma"], 1, "cannot accept the secrets: 3 problems"),
    ("check --namespace", &["s.yaml", "-n", "third"], 1, "cannot accept the secrets: 2 problems"),
    ("check --staged", &["--staged", "s.yaml"], 2, "does not go with"),
    ("check --staged", &["--staged"], 1, "cannot accept the secrets: 1 problem"),
    ("check --json", &["--json", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("check --identity", &["-i", "missing", "s.yaml"], 1, "cannot read private key `missing`"),
    ("check-key --key-file", &["-k", "beta.pub", "-d", "TOKEN"], 1, "it is sealed to the key"),
    ("check-key --data", &["-k", "alpha.pub", "-d", "plain-value-of-ada"], 1, "cannot read the token"),
    ("verify paths", &["-i", "alpha", "missing"], 1, "cannot read file `missing`"),
    ("verify --require", &["-i", "alpha", "s.yaml", "--require", "NONE"], 1, "cannot accept the secrets: 1 problem"),
    ("verify --key-file", &["-i", "alpha", "s.yaml", "-k", "nobody"], 1, "cannot find a key or group nobody"),
    ("verify --namespace", &["-i", "alpha", "s.yaml", "-n", "other"], 1, "cannot accept the secrets: 3 problems"),
    ("verify --staged", &["-i", "alpha", "--staged", "s.yaml"], 2, "does not go with"),
    ("verify --json", &["-i", "alpha", "--json", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("verify --identity", &["-i", "gamma.key", "s.yaml"], 1, "cannot accept the secrets: 1 problem"),
    ("get file", &["-i", "alpha", "broken.txt", "A"], 1, "cannot read `broken.txt`"),
    ("get name", &["-i", "alpha", "s.yaml", "NONE"], 1, "cannot find the secret NONE"),
    ("get --identity", &["-i", "gamma.key", "s.yaml", "A"], 1, "cannot open A of `s.yaml`: none of its 2 tokens opens:"),
    ("get --namespace", &["-i", "alpha", "-n", "other", "s.yaml", "A"], 1, "cannot open A of `s.yaml`: none of its 2 tokens opens:"),
    ("get --in", &["-i", "alpha", "s.yaml", "A", "--in", "environ"], 2, "the value of `--in <SECTION>`"),
    ("get --in", &["-i", "alpha", "s.yaml", "A", "--in", "secret-files"], 1, "cannot find the secret A"),
    ("exec file", &["-i", "alpha", "missing", "--", "true"], 1, "cannot read file `missing`"),
    ("exec --identity", &["-i", "gamma.key", "s.yaml", "--", "true"], 1, "cannot open A of `s.yaml`: none of its 2 tokens opens:"),
    ("exec --namespace", &["-i", "alpha", "-n", "other", "s.yaml", "--", "true"], 1, "cannot open A of `s.yaml`: none of its 2 tokens opens:"),
    ("exec command", &["-i", "alpha", "s.yaml", "--", "./no-program"], 127, "cannot run `./no-program`"),
    ("exec command", &["-i", "alpha", "s.yaml"], 2, "missing"),
    ("decrypt --key-file", &["-i", "alpha.pub", "-d", "TOKEN"], 1, "cannot use private key `alpha.pub`"),
    ("decrypt --namespace", &["-i", "alpha", "-n", "other", "-d", "TOKEN"], 1, "cannot open the token"),
    ("decrypt --data", &["-i", "alpha", "-d", "plain-value-of-ada"], 1, "cannot open the token"),
    ("decrypt --env", &["-i", "alpha", "--env", "-d", "BINARY"], 1, "hint: without `--env`"),
    ("edit file", &["missing"], 1, "cannot read file `missing`"),
    ("edit --identity", &["-i", "missing", "s.yaml"], 1, "cannot read private key `missing`"),
    ("edit --key-file", &["-i", "alpha", "-k", "nobody", "s.yaml"], 1, "cannot find a key or group nobody"),
    ("edit --namespace", &["-i", "alpha", "-n", "third", "s.yaml"], 1, "cannot seal for the namespace `third`"),
    ("edit --on-disk", &["-i", "alpha", "--on-disk", "--on-disk", "s.yaml"], 2, "is given more than once"),
    ("rm file", &["missing", "A"], 1, "cannot read file `missing`"),
    ("rm name", &["s.yaml", "NONE"], 1, "cannot find the secret NONE"),
    ("rm --in", &["s.yaml", "A", "--in", "environ"], 2, "the value of `--in <SECTION>`"),
    ("rm --in", &["s.yaml", "A", "--in", "secret-files"], 1, "cannot find the secret A"),
    ("rollback file", &["missing", "A", "HEAD"], 1, "cannot take A from the revision HEAD: the file is not in it"),
    ("rollback name", &["s.yaml", "NONE", "HEAD"], 1, "the secret is not in it"),
    ("rollback revision", &["s.yaml", "A", "--", "--all"], 1, "git knows no such revision"),
    ("rollback name", &["two.yaml", "A", "HEAD"], 1, "cannot tell which A of `two.yaml` is meant"),
    ("rollback --in", &["two.yaml", "A", "HEAD", "--in", "environ"], 2, "the value of `--in <SECTION>`"),
    ("rollback --in", &["s.yaml", "NONE", "HEAD", "--in", "secret-files"], 1, "the secret is not in it"),
    ("rekey paths", &["-i", "alpha", "-k", "gamma", "missing"], 1, "cannot read file `missing`"),
    ("rekey --identity", &["-i", "alpha.pub", "-k", "gamma", "s.yaml"], 1, "cannot use private key `alpha.pub`"),
    ("rekey --key-file", &["-i", "alpha", "-k", "nobody", "s.yaml"], 1, "cannot find a key or group nobody"),
    ("rekey --keep-old", &["-i", "alpha", "--keep-old", "--prune"], 2, "does not go with"),
    ("rekey --prune", &["-i", "missing", "--prune", "s.yaml"], 1, "`missing`"),
    ("rekey --dry-run", &["-i", "alpha", "--dry-run", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("rekey --json", &["-i", "alpha", "--json", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("grant --identity", &["-i", "gamma.key", "gamma", "s.yaml"], 1, "the given key opens none of its tokens"),
    ("grant --key", &["-i", "alpha", "new", "--key", "missing.pub", "s.yaml"], 1, "cannot read public key `missing.pub`"),
    ("grant --key", &["-i", "alpha", "new", "--key", "rsa.pub", "s.yaml"], 1, "cannot use public key `rsa.pub`"),
    ("grant --key", &["-i", "alpha", "gamma", "--key", "stranger.pub", "s.yaml"], 1, "as gamma: the name is another key's"),
    ("grant --key", &["-i", "alpha", "prod", "--key", "stranger.pub", "s.yaml"], 1, "as prod: the name is another key's or a group's"),
    ("grant --key", &["-i", "alpha", "new", "--key", "gamma.pub", "s.yaml"], 1, "as new: it is listed as gamma already"),
    ("grant who", &["-i", "alpha", "nobody", "s.yaml"], 1, "cannot find a key or group nobody"),
    ("grant files", &["-i", "alpha", "gamma", "deep/d.yaml"], 1, "no pattern of"),
    ("revoke who", &["nobody"], 1, "cannot find a key or group nobody"),
    ("revoke who", &["prod", "s.yaml"], 1, "would name nobody"),
    ("revoke files", &["alpha", "deep/d.yaml"], 1, "no pattern of"),
    ("export --identity", &["-i", "gamma.key", "--to", "gamma", "s.yaml", "A"], 1, "cannot open A of `s.yaml`: none of its 2 tokens opens:"),
    ("export --to", &["-i", "alpha", "--to", "missing.pub", "s.yaml", "A"], 1, "missing.pub"),
    ("export --in", &["-i", "alpha", "--to", "gamma", "s.yaml", "A", "--in", "environ"], 2, "the value of `--in <SECTION>`"),
    ("export file", &["-i", "alpha", "--to", "gamma", "missing", "A"], 1, "cannot read file `missing`"),
    ("export names", &["-i", "alpha", "--to", "gamma", "s.yaml", "A", "NONE"], 1, "cannot find the secret NONE"),
    ("import file", &["broken.txt", "t.yaml"], 1, "cannot read `broken.txt`"),
    ("import bundle", &["s.yaml", "missing"], 1, "cannot read file `missing`"),
    ("import bundle", &["s.yaml", "plain.yaml"], 1, "what stands under A is no token"),
    ("import --replace", &["--replace", "s.yaml", "foreign.yaml"], 1, "does not list it"),
    ("firstboot --bootstrap", &["-i", "missing", "-k", "machine", "s.yaml"], 1, "cannot read"),
    ("firstboot --key-file", &["-i", "beta", "-k", "alpha.pub", "s.yaml"], 1, "`alpha.pub`"),
    ("firstboot --comment", &["-i", "beta", "-k", "alpha", "-C", "a", "-C", "b", "s.yaml"], 2, "is given more than once"),
    ("firstboot paths", &["-i", "beta", "-k", "alpha", "broken.txt"], 1, "cannot read `broken.txt`"),
    ("textconv file", &["missing"], 1, "cannot read"),
    ("merge base", &["missing", "s.yaml", "t.yaml", "s.yaml"], 1, "cannot read version `missing`"),
    ("merge ours", &["s.yaml", "missing", "t.yaml", "s.yaml"], 1, "cannot read version `missing`"),
    ("merge theirs", &["s.yaml", "t.yaml", "missing", "s.yaml"], 1, "cannot read version `missing`"),
    ("merge name", &["s.yaml", "s.yaml", "s.yaml"], 2, "missing `<NAME>`"),
    ("edit-guard directory", &["deep"], 1, "it is no directory of `edit`"),
];

/// A repository with something wrong of each kind.
fn desk() -> Option<Desk> {
    let desk = repository::repository()?;
    for name in ["alpha", "alpha.pub", "beta", "beta.pub", "gamma.pub"] {
        fs::copy(key(name), desk.path(name)).unwrap();
    }
    fs::copy(key("gamma"), desk.path("gamma.key")).unwrap();
    desk.run(&["keygen", "stranger"], b"").expect_code(0);
    desk.set("s.yaml", "A", VALUE);
    desk.set("t.yaml", "B", VALUE);
    let token = seal("myapp", VALUE.as_bytes());
    desk.write(
        "two.yaml",
        &format!("secret-environ: {{ A: {token} }}\nsecret-files: {{ A: {token} }}\n"),
    );
    desk.write(
        "anchored.yaml",
        &format!("secret-environ:\n  A: &a {token}\nx: *a\n"),
    );
    desk.write("rsa.pub", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ x\n");
    desk.write("deep/d.yaml", &format!("D: {token}\n"));
    let foreign = desk
        .run(&["encrypt", "-k", "stranger.pub", "--exact"], b"value")
        .expect_code(0);
    desk.write("foreign.yaml", &format!("F: {}", foreign.text()));
    repository::commit(&desk, "all");
    desk.write("broken.txt", &format!("secret-environ: [{VALUE}\n"));
    desk.write("plain.yaml", &format!("secret-environ:\n  A: {VALUE}\n"));
    desk.call("git", &["add", "plain.yaml"]);
    Some(desk)
}

fn run(desk: &Desk, (option, arguments, _, _): &Case) -> Run {
    let command = option.split(' ').next().unwrap();
    let tokens = [
        ("TOKEN", seal("myapp", VALUE.as_bytes())),
        ("BINARY", seal("myapp", &[255, 0])),
    ];
    let argument = |argument: &&str| {
        let token = tokens.iter().find(|(name, _)| name == argument);
        token.map_or_else(|| (*argument).to_owned(), |(_, token)| token.clone())
    };
    let arguments = arguments.iter().map(argument);
    let mut program = desk.command();
    // An editor that changes something, for `edit` to be refused afterwards.
    program.env("VISUAL", "sed -i s/plain/other/");
    program.arg(command).args(arguments);
    crate::support::feed(&mut program, b"")
}

/// All files of the desk but git's own.
fn content(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let files = desk
        .names()
        .into_iter()
        .filter(|name| desk.path(name).is_file());
    files
        .map(|name| (name.clone(), fs::read(desk.path(&name)).unwrap()))
        .collect()
}

#[test]
fn and_then_says_so_and_changes_nothing() {
    let Some(desk) = desk() else { return };
    let before = content(&desk);
    let wrong: Vec<_> = CASES
        .iter()
        .filter_map(|case| wrong(&desk, case, &before))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a case does otherwise than it should.
fn wrong(desk: &Desk, case: &Case, before: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let (option, arguments, code, said) = case;
    let run = run(desk, case);
    let shown = String::from_utf8_lossy(&run.stdout);
    let hides = !run.stderr.contains(VALUE) && !shown.contains(VALUE);
    let is_said = run.stderr.contains(said) && run.stderr.contains("error: cannot ");
    let is_quiet = said.is_empty() && run.stderr.is_empty();
    let is_right = run.code == *code && hides && (is_said || is_quiet);
    let kept = content(desk) == *before;
    (!is_right || !kept).then(|| {
        format!(
            "{option}: {arguments:?}: {} {} {shown} {kept}",
            run.code, run.stderr
        )
    })
}

#[test]
fn and_none_is_left_out() {
    let command = lithos_crypt::program::command();
    let mut known = BTreeSet::new();
    for subcommand in command.get_subcommands() {
        for argument in subcommand.get_arguments() {
            let long = argument.get_long().map(|long| format!("--{long}"));
            let name = long
                .clone()
                .unwrap_or_else(|| argument.get_id().to_string());
            let option = format!("{} {name}", subcommand.get_name());
            let short = argument.get_short_and_visible_aliases().unwrap_or_default();
            let is_used = |word: &&str| {
                let word = word.split('=').next().unwrap_or_default();
                let shorts = short.iter().map(|short| format!("-{short}"));
                long.iter()
                    .cloned()
                    .chain(shorts)
                    .any(|spelled| spelled == word)
            };
            let mut cases = CASES.iter().filter(|(name, ..)| *name == option).peekable();
            assert!(cases.peek().is_some(), "no case shows how `{option}` fails");
            let uses = |(_, arguments, ..): &Case| long.is_none() || arguments.iter().any(&is_used);
            assert!(cases.all(uses), "a case of `{option}` does not use it");
            known.insert(option);
        }
    }
    for (option, ..) in CASES {
        assert!(known.contains(*option), "there is no `{option}`");
    }
}
