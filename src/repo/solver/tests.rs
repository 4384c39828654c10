//! The solver against small indexes of our own, and against apk-tools' cases where they are at hand.
