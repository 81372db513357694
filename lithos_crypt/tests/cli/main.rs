//! The program, run as people run it: one module for each case.

mod desk;
mod killing;
mod repository;
#[path = "../ssh_keygen/mod.rs"]
mod ssh_keygen;
mod support;
mod transcript;
#[path = "../vector_file/mod.rs"]
mod vector_file;

mod a_file_with_two_spellings_is_one;
mod a_kill_leaves_all_files_or_none;
mod a_kill_leaves_the_old_file_or_the_new;
mod check_finds_what_is_wrong;
mod check_key_compares_the_hashes;
mod colours_are_for_terminals;
mod decrypt_asks_for_a_passphrase;
mod decrypt_prints_exact_bytes_and_the_namespace;
mod decrypt_reads_several_keys;
mod decrypt_takes_the_first_token_that_opens;
mod diff_says_which_column_changed;
mod edit_shows_plaintexts_in_memory_only;
mod encrypt_asks_twice_on_a_terminal;
mod encrypt_drops_one_final_newline;
mod encrypt_reads_a_file_exactly;
mod encrypt_refuses_wrong_keys;
mod encrypt_seals_to_several_keys;
mod encrypt_warns_of_doubtful_values;
mod every_option_can_fail;
mod every_program_has_help_and_version;
mod every_vector_gives_its_outcome;
mod exec_gives_a_program_its_secrets;
mod export_and_import_carry_secrets;
mod failing_to_write_is_an_error;
mod firstboot_can_be_killed_and_repeated;
mod get_opens_one_secret;
mod git_setup_teaches_a_repository;
mod grant_and_revoke_change_what_follows;
mod history_and_rollback_go_through_git;
mod keygen_makes_a_pair;
mod libsodium_agrees;
mod ls_and_inspect_show_no_value;
mod memory_is_kept_private;
mod merge_leaves_to_git_what_is_not_ours;
mod no_value_is_written_or_passed_on;
mod recipients_file_says_whom_to_seal_to;
mod rekey_changes_all_files_or_none;
mod rm_takes_a_secret_out;
mod set_puts_a_token_into_a_file;
mod set_refuses_what_it_cannot_do_whole;
mod the_docs_show_what_happens;
mod two_who_set_at_once_lose_nothing;
mod usage_errors_show_no_value;
mod values_are_what_their_type_says;
mod verify_opens_what_check_cannot;
mod who_can_read_names_the_readers;
