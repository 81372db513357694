//! A secret that is past its last day: everybody says so, and it is delivered all
//! the same, since an outage would be worse.

use std::process::{Command, Output};

use crate::ground::Ground;
use crate::metrics::{REQUEST, ask};

fn run(ground: &Ground, program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    let command = command.arg("--config").arg(ground.path("master.yaml"));
    command.args(args).output().unwrap()
}

#[test]
fn is_warned_of_counted_and_delivered() {
    let Some(ground) = Ground::new() else { return };
    let token = ground.seal("alpha", "", "a secret");
    let ends = |day: &str| format!("{{ value: {token}, expires: {day} }}");
    ground.container(&format!(
        "arguments: [report, sleep]\nsecret-environ: {{ OLD: {}, NEW: {} }}",
        ends("2020-01-31"),
        ends("9999-12-31")
    ));
    let warning = "the secret `OLD` has expired: its last day was 2020-01-31";
    let expect = |output: Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains(warning) && !said.contains("`NEW`"), "{said}");
    };
    expect(run(&ground, env!("CARGO_BIN_EXE_lithos_check"), &[]));
    let tree = ground.start();
    assert_eq!(
        tree.result("shop/web.0", "report")["environ"]["OLD"],
        "a secret"
    );
    tree.wait_for_log(&[warning]);
    let new = "web: { image: probe, config: /config/web.yaml, instances: 2 }";
    let new = ground.write("new.yaml", new);
    let new = new.to_str().unwrap();
    expect(run(
        &ground,
        env!("CARGO_BIN_EXE_lithos_switch"),
        &["shop", new],
    ));
    tree.result("shop/web.1", "report");
    let metrics = ask(&ground, REQUEST);
    let sample = "lithos_process_secrets_expired{sandbox=\"shop\",process=\"web\"} 1\n";
    assert!(metrics.contains(sample), "{metrics}");
}
