//! The program, run as people run it: one module for each case.

#[path = "../ssh_keygen/mod.rs"]
mod ssh_keygen;
mod support;
#[path = "../vector_file/mod.rs"]
mod vector_file;

mod check_key_compares_the_hashes;
mod decrypt_asks_for_a_passphrase;
mod decrypt_prints_exact_bytes_and_the_namespace;
mod decrypt_reads_several_keys;
mod decrypt_takes_the_first_token_that_opens;
mod encrypt_asks_twice_on_a_terminal;
mod encrypt_drops_one_final_newline;
mod encrypt_reads_a_file_exactly;
mod encrypt_refuses_wrong_keys;
mod encrypt_seals_to_several_keys;
mod encrypt_warns_of_doubtful_values;
mod every_program_has_help_and_version;
mod every_vector_gives_its_outcome;
mod failing_to_write_is_an_error;
mod memory_is_kept_private;
mod usage_errors_show_no_value;
