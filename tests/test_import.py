"""What `import unmask` does to the process, and does not."""

import subprocess
import sys


def environment_after_import(**before):
    code = "import sys, os, unmask; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=before)
    return done.stdout.split()


def test_threads_spin_shortly_and_torch_is_not_loaded():
    assert environment_after_import() == ["1000", "False"]


def test_what_the_user_has_set_is_left_alone():
    assert environment_after_import(GOMP_SPINCOUNT="7") == ["7", "False"]
    assert environment_after_import(OMP_WAIT_POLICY="PASSIVE") == ["None", "False"]
