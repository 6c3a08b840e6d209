//! What lasts is said once, and once more when it is over.

use super::report::FileProblem;

/// The most problems that are told apart.
const MAX: usize = 64;

/// The problems that were said and are not over.
#[derive(Debug, Default)]
pub struct Lasting(Vec<FileProblem>);

impl Lasting {
    /// Notes the problems that there are now: those to say, and the files whose problems are over.
    pub fn note(&mut self, now: &[FileProblem]) -> (Vec<FileProblem>, Vec<String>) {
        let now = &now[..now.len().min(MAX)];
        let begun = now.iter().filter(|problem| !self.0.contains(problem)).cloned().collect();
        let is_over = |before: &&FileProblem| now.iter().all(|problem| problem.file != before.file);
        let mut over: Vec<String> = self.0.iter().filter(is_over).map(|before| before.file.clone()).collect();
        over.dedup();
        self.0 = now.to_vec();
        (begun, over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_said_when_it_begins_when_it_changes_and_when_it_is_over() {
        let (mut lasting, one) = (Lasting::default(), FileProblem::new("a", "EIO"));
        assert_eq!(lasting.note(std::slice::from_ref(&one)), (vec![one.clone()], vec![]));
        for _ in 0..100 {
            assert_eq!(lasting.note(std::slice::from_ref(&one)), (vec![], vec![]));
        }
        let other = FileProblem::new("a", "ESTALE");
        assert_eq!(lasting.note(std::slice::from_ref(&other)), (vec![other], vec![]));
        assert_eq!(lasting.note(&[]), (vec![], vec!["a".to_owned()]));
        assert_eq!(lasting.note(&[]), (vec![], vec![]));
    }
}
