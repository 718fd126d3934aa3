# pytest or unittest: fixtures, temporary files, subprocesses, sockets, a test of permissions.
mkdir -p suite
cat > suite/test_all.py <<'PYTHON'
import os, pathlib, shutil, socket, stat, subprocess, sys, tempfile, threading, unittest

class All(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.place)

    def test_child(self):
        self.assertEqual(subprocess.run(["true"]).returncode, 0)
        self.assertEqual(subprocess.run("exit 3", shell=True).returncode, 3)
        said = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True)
        self.assertEqual(said.stdout.strip(), "42")

    def test_script(self):
        script = self.place / "tool.sh"
        script.write_text("#!/bin/sh\necho tool\n")
        script.chmod(0o755)
        self.assertEqual(subprocess.check_output([script]), b"tool\n")

    def test_files(self):
        for number in range(200):
            file = self.place / f"{number}.txt"
            file.write_text("text")
            file.rename(file.with_suffix(".bak"))
        (self.place / "link").symlink_to("1.bak")
        os.link(self.place / "1.bak", self.place / "hard")
        self.assertTrue(stat.S_ISLNK((self.place / "link").lstat().st_mode))

    def test_socket(self):
        server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=lambda: server.accept()[0].sendall(b"x")).start()
        with socket.create_connection(server.getsockname()) as client:
            self.assertEqual(client.recv(1), b"x")
        server.close()

    def test_session(self):
        child = subprocess.Popen(["sleep", "0.1"], start_new_session=True)
        self.assertEqual(child.wait(), 0)

if __name__ == "__main__":
    unittest.main()
PYTHON
cd suite
if /usr/bin/python3 -c 'import pytest' 2> /dev/null; then
    /usr/bin/python3 -m pytest -q
else
    /usr/bin/python3 -m unittest -q
fi
