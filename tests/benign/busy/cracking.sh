# The tests of a tool that checks passwords: a word list against hashes, slow hashes against a few words.
cat > test_cracking.py <<'PYTHON'
import hashlib, itertools, os, string, time, unittest

LONG = float(os.environ["LONG"])

def crack(digest, length):
    for letters in itertools.product(string.ascii_lowercase, repeat=length):
        word = "".join(letters).encode()
        if hashlib.sha256(word).hexdigest() == digest:
            return word

class Cracking(unittest.TestCase):
    def test_all_words_of_four_letters(self):
        until = time.monotonic() + LONG / 2
        while time.monotonic() < until:
            self.assertEqual(crack(hashlib.sha256(b"nzzz").hexdigest(), 4), b"nzzz")

    def test_slow_hashes(self):
        until = time.monotonic() + LONG / 2
        wanted = hashlib.pbkdf2_hmac("sha256", b"tiger", b"salt", 200_000)
        while time.monotonic() < until:
            found = [word for word in (b"lion", b"tiger", b"bear")
                     if hashlib.pbkdf2_hmac("sha256", word, b"salt", 200_000) == wanted]
            self.assertEqual(found, [b"tiger"])

if __name__ == "__main__":
    unittest.main()
PYTHON
/usr/bin/python3 -m unittest -q
