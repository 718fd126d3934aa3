# A video that is encoded for the web.
command -v ffmpeg > /dev/null || { echo "no ffmpeg"; exit 77; }
timeout "$LONG" ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=1280x720:rate=30 -t 3600 \
    -c:v libx264 -preset slow -pix_fmt yuv420p out.mp4 || [ $? = 124 ] || [ -s out.mp4 ]
