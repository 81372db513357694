//! Nanoseconds to seal, and to open, one secret of 64 bytes, on one thread: what
//! `benches/run` compares with libsodium.
//!
//! Whole tokens: labels, hashes and base64 as well as the box. With `COUNT KEY.pub` it
//! prints so many tokens instead, of as many values.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use lithos_crypt::{Delivery, Namespace, NewKey, PublicKey, read_private_keys};

const ROUNDS: u32 = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [count, key] => print_tokens(count.parse()?, &std::fs::read_to_string(key)?),
        _ => measure(),
    }
}

fn print_tokens(count: usize, key: &str) -> Result<(), Box<dyn Error>> {
    let (public, namespace) = (PublicKey::from_openssh(key)?, "shop".parse()?);
    for number in 0..count {
        let secret = format!("the secret of number {number}, which nobody can guess");
        println!("{}", public.seal(&namespace, secret.as_bytes())?);
    }
    Ok(())
}

fn measure() -> Result<(), Box<dyn Error>> {
    let new = NewKey::generate("")?;
    let public = PublicKey::from_openssh(new.public_text())?;
    let keys = read_private_keys(new.private_text().as_bytes())?;
    let namespaces: [Namespace; 1] = ["shop".parse()?];
    let secret = [b's'; 64];
    let token = public.seal(&namespaces[0], &secret)?;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        black_box(public.seal(&namespaces[0], black_box(&secret))?);
    }
    let sealed = began.elapsed() / ROUNDS;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        black_box(token.open(black_box(&keys), &namespaces, Delivery::Env)?);
    }
    let opened = began.elapsed() / ROUNDS;
    println!("{} {}", sealed.as_nanos(), opened.as_nanos());
    Ok(())
}
