use crate::support::{key, run};
use crate::vector_file::{Vector, vectors};

fn arguments(vector: &Vector) -> Vec<String> {
    let mut arguments = vec!["decrypt".to_owned(), "-d".to_owned(), vector.token.clone()];
    for name in &vector.private_keys {
        arguments.extend(["-i".to_owned(), key(name)]);
    }
    for namespace in &vector.allowed_namespaces {
        arguments.extend(["-n".to_owned(), namespace.clone()]);
    }
    if vector.delivery == "env" {
        arguments.push("--env".to_owned());
    }
    arguments
}

#[test]
fn every_vector_gives_its_outcome() {
    for vector in vectors().vectors {
        let run = run(&arguments(&vector), b"");
        if vector.outcome == "ok" {
            assert_eq!(run.code, 0, "{}: {}", vector.name, run.stderr);
            assert!(run.stdout == vector.secret(), "{}", vector.name);
            assert_eq!(run.stderr, format!("{}:\n", vector.namespace.unwrap()));
        } else {
            assert_eq!(run.code, 1, "{}: {}", vector.name, run.stderr);
            assert_eq!(run.text(), "", "{}", vector.name);
            let (error, outcome) = (&run.stderr, &vector.outcome);
            assert!(error.starts_with("error: cannot open the token"), "{error}");
            assert!(
                error.contains(&format!(": {outcome}: ")),
                "{}: {error}",
                vector.name
            );
        }
    }
}
