//! libsodium's `crypto_box_seal`: curve25519xsalsa20poly1305 with an ephemeral
//! key, laid out as ephemeral X25519 public key (32 bytes), tag (16), ciphertext.
//!
//! Composed here from the primitives rather than taken from `crypto_box`,
//! whose version 0.9 differs from libsodium where it matters to us: it opens
//! boxes with a low-order ephemeral key, reduces the clamped private key modulo
//! the group order, derives the recipient's public key anew for each box,
//! leaves an unwiped copy of the private key, and panics where the random
//! source fails. The tests compare both, in both directions.

use blake2::digest::Digest;
use blake2::digest::consts::{U10, U24};
use crypto_secretbox::{AeadInPlace, Key, KeyInit, Nonce, Tag, XSalsa20Poly1305};
use curve25519_dalek::MontgomeryPoint;
use zeroize::Zeroizing;

/// Bytes of an X25519 key.
const KEY: usize = 32;
/// Bytes before the ciphertext: ephemeral key and tag.
pub(crate) const OVERHEAD: usize = KEY + 16;

/// Seals `plaintext` for `recipient` with the ephemeral private key
/// `ephemeral`, which must be fresh random bytes for every box.
pub(crate) fn seal(
    recipient: &MontgomeryPoint,
    ephemeral: &Zeroizing<[u8; KEY]>,
    plaintext: &[u8],
) -> Vec<u8> {
    let ephemeral_public = MontgomeryPoint::mul_base_clamped(**ephemeral);
    let cipher = cipher(ephemeral, recipient)
        .expect("a recipient's key is checked to have no low order when it is read");
    let mut sealed = Vec::with_capacity(OVERHEAD + plaintext.len());
    sealed.extend_from_slice(ephemeral_public.as_bytes());
    sealed.extend_from_slice(&[0; OVERHEAD - KEY]);
    sealed.extend_from_slice(plaintext);
    let nonce = nonce(ephemeral_public.as_bytes(), recipient);
    let tag = cipher
        .encrypt_in_place_detached(&nonce, b"", &mut sealed[OVERHEAD..])
        .expect("encryption fails only for associated data, and there is none");
    sealed[KEY..OVERHEAD].copy_from_slice(&tag);
    sealed
}

/// Opens a sealed box, in time that does not depend on the private key.
/// `None` if it is too short, damaged, sealed for another key, or made with a
/// low-order ephemeral key.
pub(crate) fn open(
    private: &[u8; KEY],
    public: &MontgomeryPoint,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (ephemeral, rest) = sealed.split_first_chunk::<KEY>()?;
    let (tag, ciphertext) = rest.split_first_chunk::<{ OVERHEAD - KEY }>()?;
    let cipher = cipher(private, &MontgomeryPoint(*ephemeral))?;
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    cipher
        .decrypt_in_place_detached(
            &nonce(ephemeral, public),
            b"",
            &mut plaintext,
            Tag::from_slice(tag),
        )
        .ok()?;
    Some(plaintext)
}

/// `crypto_box_beforenm`: X25519, then HSalsa20 with a zero input. `None` if
/// the shared secret is zero, that is if the public key is of low order.
fn cipher(private: &[u8; KEY], public: &MontgomeryPoint) -> Option<XSalsa20Poly1305> {
    let shared = Zeroizing::new(public.mul_clamped(*private));
    if *shared == MontgomeryPoint([0; KEY]) {
        return None;
    }
    let key = Zeroizing::new(salsa20::hsalsa::<U10>(
        Key::from_slice(shared.as_bytes()),
        &Default::default(),
    ));
    Some(XSalsa20Poly1305::new(&key))
}

/// BLAKE2b-24 of ephemeral key and recipient's key.
fn nonce(ephemeral: &[u8; KEY], recipient: &MontgomeryPoint) -> Nonce {
    blake2::Blake2b::<U24>::new()
        .chain_update(ephemeral)
        .chain_update(recipient.as_bytes())
        .finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_box::aead::OsRng;

    fn key_pair(seed: u8) -> ([u8; KEY], MontgomeryPoint) {
        let private = [seed; KEY];
        (private, MontgomeryPoint::mul_base_clamped(private))
    }

    #[test]
    fn crypto_box_opens_what_we_seal() {
        let (private, public) = key_pair(7);
        let sealed = seal(&public, &Zeroizing::new([9; KEY]), b"some text");
        let opened = crypto_box::SecretKey::from_bytes(private).unseal(&sealed);
        assert_eq!(opened.unwrap(), b"some text");
    }

    #[test]
    fn we_open_what_crypto_box_seals() {
        let (private, public) = key_pair(7);
        let theirs = crypto_box::PublicKey::from_bytes(public.to_bytes());
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 5000] {
            let plaintext = vec![length as u8; length];
            let sealed = theirs.seal(&mut OsRng, &plaintext).unwrap();
            assert_eq!(*open(&private, &public, &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn refuses_a_low_order_ephemeral_key_that_crypto_box_opens() {
        let (private, public) = key_pair(7);
        // With the point 0 the shared secret is 0 for every private key, so
        // that anybody can make the box.
        let ephemeral = [0; KEY];
        let key = salsa20::hsalsa::<U10>(&Key::default(), &Default::default());
        let mut text = *b"forged";
        let tag = XSalsa20Poly1305::new(&key)
            .encrypt_in_place_detached(&nonce(&ephemeral, &public), b"", &mut text)
            .unwrap();
        let forged = [&ephemeral[..], &tag[..], &text[..]].concat();
        let theirs = crypto_box::SecretKey::from_bytes(private);
        assert_eq!(theirs.unseal(&forged).unwrap(), b"forged");
        assert!(open(&private, &public, &forged).is_none());
    }

    #[test]
    fn refuses_a_box_shorter_than_its_overhead() {
        let (private, public) = key_pair(7);
        let sealed = seal(&public, &Zeroizing::new([9; KEY]), b"");
        assert_eq!(sealed.len(), OVERHEAD);
        assert!(open(&private, &public, &sealed).is_some());
        for length in 0..OVERHEAD {
            assert!(open(&private, &public, &sealed[..length]).is_none());
        }
    }
}
