# PowerShell completion for revvlink; is dot-sourced from $PROFILE.
Register-ArgumentCompleter -Native -CommandName revvlink -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString().PadRight($cursorPosition).Substring(0, $cursorPosition)
    $env:_REVVLINK_COMPLETE = 'powershell'
    try { $found = @(revvlink $line 2>$null) } finally { Remove-Item Env:_REVVLINK_COMPLETE }
    if ($found[0] -eq 'files') { return }
    foreach ($entry in $found) {
        $typed, $value, $help = $entry -split "`t", 3
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($typed, $value, 'ParameterValue', $help)
    }
}
